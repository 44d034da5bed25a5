import { roles } from '../../../../repository/roles.ts';
import { rotateKeys } from '../../../../repository/root-metadata.ts';
import { defineCommand } from '../../../framework/command.ts';
import { oneOf, setting } from '../../../framework/parameters.ts';
import { keyDirectories, offlineFlag } from './key-directories.ts';

export const releaseKeysRotateCommand = defineCommand({
  arguments: {},
  flags: {
    offline: offlineFlag,
    role: setting('ROLE', 'Role to replace (default: targets, snapshot and timestamp)', oneOf(...roles)),
  },
  examples: [['holdfast release keys rotate --role targets', 'Replace keys that were lost or disclosed']],
  output: async () => (await import('../../../output/releases.ts')).releaseKeysRotateOutput,
  async run({ flags, home, output }) {
    const { keys, trusted } = keyDirectories(home, flags.offline);
    const rotated = flags.role === undefined ? (['targets', 'snapshot', 'timestamp'] as const) : [flags.role];
    const rootVersion = await rotateKeys(keys, rotated);
    output.result(
      { rootVersion, rotated, trusted },
      `Replaced the keys of ${rotated.join(', ')}: root metadata ${rootVersion}\nPublish again to put them into use`,
    );
  },
});
