import { resolve } from 'node:path';
import { setTpmAccess } from '../../../lifecycle/host-tpm.ts';
import { defaultHostTpm } from '../../../tpm/host/host-tpm.ts';
import { anyText, defineCommand, setting, toggle } from '../../framework/command.ts';
import { confirm } from '../../terminal/confirm.ts';
import { hostTpmStatus } from './host-status.ts';

const risk =
  "Whoever can open a vsock in the machine, containers included, can then read the host's PCRs and those NV indices whose authorization is empty or known, prove to be this host with its endorsement key, and slow its TPM down.";

export const tpmEnableCommand = defineCommand({
  arguments: {},
  flags: {
    device: setting('PATH', `the TPM (default: ${defaultHostTpm}), or the socket of a swtpm`, (word) =>
      resolve(anyText(word)),
    ),
    yes: toggle('do not ask for confirmation'),
  },
  examples: [
    ['holdfast tpm enable', "let the machine use the host's TPM, after saying what that risks"],
    [
      'holdfast tpm enable --yes --device /run/swtpm/socket',
      'the same with a TPM in software, without asking',
    ],
  ],
  async run({ flags, ...context }) {
    if (!flags.yes) await confirm(context, risk);
    const changed = await setTpmAccess(context.layout, context.machine, flags.device ?? defaultHostTpm);
    const { value, text } = await hostTpmStatus(context);
    context.output.result({ ...value, changed }, text);
  },
});
