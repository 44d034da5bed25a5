import { setTpmAccess } from '../../../lifecycle/host-tpm.ts';
import { defineCommand } from '../../framework/command.ts';
import { hostTpmStatus } from './host-status.ts';

export const tpmDisableCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [
    ['holdfast tpm disable', 'take the access away, at once; what the machine has in the TPM is forgotten'],
  ],
  async run(context) {
    const changed = await setTpmAccess(context.layout, context.machine, undefined);
    const { value, text } = await hostTpmStatus(context);
    context.output.result({ ...value, changed }, text);
  },
});
