import { resolve } from 'node:path';
import { judgeSaved } from '../../../attestation/saved-evidence.ts';
import { defineCommand } from '../../framework/command.ts';
import { anyText, required, setting } from '../../framework/parameters.ts';
import { nonceFlag, printVerdict } from './verdict.ts';

export const attestVerifyCommand = defineCommand({
  description:
    'Needs neither the machine nor its host: what `holdfast attest trust` printed there is enough. With --nonce, evidence that does not answer this challenge fails.',
  arguments: { file: required('FILE', 'Evidence written by `holdfast attest --out`', anyText) },
  flags: {
    trust: setting('FILE', 'Output of `holdfast attest trust` (default: a machine on this host)', anyText),
    nonce: nonceFlag,
  },
  examples: [
    ['holdfast attest verify gateway.evidence', 'Verify evidence of a machine on this host'],
    [
      'holdfast attest verify gateway.evidence --trust gateway.trust --nonce "$asked"',
      'Verify the answer of a machine on another host',
    ],
  ],
  output: async () => (await import('../../output/security.ts')).attestOutput,
  async run({ arguments: { file }, flags, ...context }) {
    const { machine } = context;
    const trust = flags.trust === undefined ? undefined : resolve(flags.trust);
    const { evidence, judgement } = await judgeSaved(machine, resolve(file), trust, flags.nonce);
    printVerdict(context, evidence, judgement, flags.nonce !== undefined);
  },
});
