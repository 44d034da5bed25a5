import { resolve } from 'node:path';
import { attestMachine } from '../../../attestation/attest.ts';
import { serializeEvidence } from '../../../attestation/evidence.ts';
import { writeFileAtomic } from '../../../base/files.ts';
import { defineCommand } from '../../framework/command.ts';
import { anyText, setting } from '../../framework/parameters.ts';
import { nonceFlag, printVerdict } from './verdict.ts';

export const attestCommand = defineCommand({
  description:
    "Requests a quote from the running machine's own TPM and compares its boot measurements with those computed from the signed release.",
  arguments: {},
  flags: {
    out: setting('FILE', 'Save the evidence for `holdfast attest verify`', anyText),
    nonce: nonceFlag,
  },
  examples: [
    ['holdfast attest', 'Compare the boot of the running machine with its signed release'],
    ['holdfast attest --nonce "$asked" --out gateway.evidence', 'Answer the challenge of another host'],
  ],
  output: async () => (await import('../../output/security.ts')).attestOutput,
  async run({ flags, ...context }) {
    const { machine, progress } = context;
    const { evidence, judgement } = await progress.step("Requesting a quote from the machine's TPM", () =>
      attestMachine(machine, flags.nonce),
    );
    if (flags.out !== undefined) await writeFileAtomic(resolve(flags.out), serializeEvidence(evidence));
    printVerdict(context, evidence, judgement, true);
  },
});
