import { setTpmAccess } from '../../../lifecycle/host-tpm.ts';
import { defineCommand } from '../../framework/command.ts';
import { hostTpmStatus } from './host-status.ts';

export const tpmDisableCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast tpm disable', 'Revoke access at once and discard what the machine has in the TPM']],
  output: async () => (await import('../../output/security.ts')).tpmAccessOutput,
  async run(context) {
    const changed = await setTpmAccess(context.machine, undefined);
    const { value, text } = await hostTpmStatus(context);
    context.output.result({ ...value, changed }, text);
  },
});
