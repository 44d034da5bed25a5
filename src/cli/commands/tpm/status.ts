import { attestMachine } from '../../../attestation/attest.ts';
import type { Judgement } from '../../../attestation/verify.ts';
import { describe, HoldfastError } from '../../../base/errors.ts';
import { virtualTpmProblems } from '../../../tpm/virtual/virtual-tpm.ts';
import { type Context, defineCommand } from '../../framework/command.ts';
import { registerText } from '../attest/text.ts';
import { hostTpmStatus } from './host-status.ts';

/** The verdict of the machine's own TPM, or why there is none now. */
type Own = Judgement | { readonly problem: string };

export const tpmStatusCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [
    ['holdfast tpm status', 'Show the boot measurements, and whether the machine can use the host TPM'],
  ],
  output: async () => (await import('../../output/security.ts')).tpmStatusOutput,
  async run(context) {
    const { value, text } = await hostTpmStatus(context);
    const own = await context.progress.step("Requesting a quote from the machine's TPM", () =>
      askOwn(context),
    );
    const unguarded = await virtualTpmProblems(context.machine.paths.tpm);
    const warnings = unguarded.map((problem) => `\nwarning: the machine's own TPM: ${problem}`);
    context.output.result(
      { ...value, changed: false, own, unguarded: [...unguarded] },
      `${ownText(own)}${warnings.join('')}\n\n${text}`,
    );
  },
});

async function askOwn({ machine }: Context): Promise<Own> {
  try {
    return (await attestMachine(machine)).judgement;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { problem: describe(error) };
  }
}

function ownText(own: Own): string {
  if ('problem' in own) return `the machine's own TPM is not available: ${own.problem}`;
  const [first] = own.reasons;
  const verdict =
    first === undefined ? `all registers match release ${own.release}` : `first difference: ${first}`;
  return [...(own.registers.length > 0 ? [registerText(own.registers), ''] : []), verdict].join('\n');
}
