import { chooseNextStart } from '../../../lifecycle/boot-options.ts';
import { machineStatus } from '../../../lifecycle/status.ts';
import { defineCommand } from '../../framework/command.ts';
import { toggle } from '../../framework/parameters.ts';
import { confirm } from '../../terminal/confirm.ts';
import { printVerity } from './text.ts';

const risk =
  'Without verity the root is still read-only, but changes to it on the disk go undetected: changed code runs, and the change persists.';

const lockedRisk =
  'Its TPM does not unlock the encrypted data for such a root: each start needs `holdfast recovery` and the recovery key.';

export const verityDisableCommand = defineCommand({
  description: `${risk} With encrypted data, each start then needs \`holdfast recovery\` and the recovery key.`,
  arguments: {},
  flags: { yes: toggle('Do not ask for confirmation') },
  examples: [['holdfast verity disable', 'Start the release without verification from the next start']],
  output: async () => (await import('../../output/security.ts')).verityOutput,
  async run({ flags, ...context }) {
    const { machine } = context;
    const before = await machineStatus(machine); // fails when there is no such machine
    const risks = before.dataEncrypted ? `${risk} ${lockedRisk}` : risk;
    if (before.verity === 'on' && !flags.yes) await confirm(context, risks);
    await printVerity(context, await chooseNextStart(machine, { verity: 'off' }));
  },
});
