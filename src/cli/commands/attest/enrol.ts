import { type EnrolledMachine, enrolMachine } from '../../../attestation/enrol.ts';
import { defineCommand } from '../../framework/command.ts';
import { toggle } from '../../framework/parameters.ts';
import { confirm } from '../../terminal/confirm.ts';

export const attestEnrolCommand = defineCommand({
  description:
    'For a machine whose attestation key is gone or unknown. The machine must be off: the host alone talks to its TPM. Idempotent: a key that is in the TPM and recorded stays. If the guest has set authorizations that the host does not know, the TPM is cleared after confirmation.',
  arguments: {},
  flags: { yes: toggle('Do not ask before the TPM is cleared') },
  examples: [['holdfast attest enrol', 'Record the key of the stopped machine again']],
  output: async () => (await import('../../output/security.ts')).attestEnrolOutput,
  async run({ flags, ...context }) {
    const { machine, output } = context;
    const enrolled = await enrolMachine(machine, async (consequence) => {
      if (!flags.yes) await confirm(context, consequence);
    });
    const changes = [...enrolled.changes];
    output.result({ machine: machine.name, ...enrolled, changes }, enrolmentText(machine.name, enrolled));
  },
});

/** Returns the result of an enrolment as text. */
export function enrolmentText(
  machine: string,
  { changed, fingerprint, before, cleared, needsRecovery, changes }: EnrolledMachine,
): string {
  if (!changed) return `the TPM of ${machine} holds the recorded attestation key: nothing was changed`;
  const key =
    before === fingerprint
      ? `the attestation key of ${machine} is back, and the same: trust files stay valid`
      : `${machine} has a new attestation key (SHA-256 ${fingerprint}): export \`holdfast attest trust\` again for each verifier, which rejects its evidence until then`;
  return [
    key,
    ...changes.map((change) => `  ${change}`),
    ...(cleared ? ['the TPM was cleared: what software in the guest had sealed to it is lost'] : []),
    ...(needsRecovery
      ? ['start the machine with `holdfast recovery`: only the recovery key opens its data']
      : []),
  ].join('\n');
}
