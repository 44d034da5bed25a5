import { initKeys } from '../../../../repository/root-metadata.ts';
import { defineCommand } from '../../../framework/command.ts';
import { setting, wholeNumber } from '../../../framework/parameters.ts';
import { keyDirectories, offlineFlag } from './key-directories.ts';

export const releaseKeysInitCommand = defineCommand({
  arguments: {},
  flags: {
    offline: offlineFlag,
    rootKeys: setting('N', 'Number of root keys to create (default: 1)', wholeNumber),
    threshold: setting('N', 'Number of root keys that must sign (default: 1)', wholeNumber),
  },
  examples: [
    ['holdfast release keys init', 'Create all keys on this host'],
    [
      'holdfast release keys init --offline /media/stick --root-keys 3 --threshold 2',
      'Keep the root keys offline',
    ],
  ],
  output: async () => (await import('../../../output/releases.ts')).releaseKeysInitOutput,
  async run({ flags, home, output }) {
    const { keys, trusted } = keyDirectories(home, flags.offline);
    await initKeys(keys, flags.rootKeys ?? 1, flags.threshold ?? 1);
    output.result(
      { rootVersion: 1, trusted },
      `Created the keys of a repository\nDistribute ${trusted} to other hosts: it is what they trust`,
    );
  },
});
