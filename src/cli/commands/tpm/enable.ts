import { resolve } from 'node:path';
import { setTpmAccess } from '../../../lifecycle/host-tpm.ts';
import { defaultHostTpm } from '../../../tpm/host/host-tpm.ts';
import { defineCommand } from '../../framework/command.ts';
import { anyText, setting, toggle } from '../../framework/parameters.ts';
import { confirm } from '../../terminal/confirm.ts';
import { hostTpmStatus } from './host-status.ts';

const risk =
  "Every process in the machine that can open a vsock, including those in containers, can then read the host's PCRs and those NV indices whose authorization is empty or known, authenticate as this host with its endorsement key, and slow its TPM down.";

export const tpmEnableCommand = defineCommand({
  description: risk,
  arguments: {},
  flags: {
    device: setting('PATH', `TPM device, or socket of a software TPM (default: ${defaultHostTpm})`, (word) =>
      resolve(anyText(word)),
    ),
    yes: toggle('Do not ask for confirmation'),
  },
  examples: [
    ['holdfast tpm enable', 'Explain the risk, ask, and allow access'],
    ['holdfast tpm enable --yes --device /run/swtpm/socket', 'Allow access to a software TPM without asking'],
  ],
  output: async () => (await import('../../output/security.ts')).tpmAccessOutput,
  async run({ flags, ...context }) {
    if (!flags.yes) await confirm(context, risk);
    const changed = await setTpmAccess(context.machine, flags.device ?? defaultHostTpm);
    const { value, text } = await hostTpmStatus(context);
    context.output.result({ ...value, changed }, text);
  },
});
