import { resolve } from 'node:path';
import { misuse } from '../../../base/errors.ts';
import { formatSize } from '../../../base/size.ts';
import { repositoryKeys } from '../../../repository/client/host-trust.ts';
import { defaultGraceDays, pruneRepository } from '../../../repository/publisher/prune.ts';
import { defineCommand } from '../../framework/command.ts';
import { anyText, setting, wholeNumber } from '../../framework/parameters.ts';

export const releasePruneCommand = defineCommand({
  description:
    'Withdraws all but the newest releases from a repository, and signs its metadata. The files of a withdrawn release are removed by the first run after the grace period, so that hosts that are fetching it can finish.',
  arguments: {},
  flags: {
    repository: setting('DIR', 'Repository (required)', anyText),
    keep: setting('N', 'Number of the newest releases to keep (required)', wholeNumber),
    graceDays: setting(
      'DAYS',
      `Days for which files of withdrawn releases are kept (default: ${defaultGraceDays})`,
      wholeNumber,
    ),
  },
  examples: [
    ['holdfast release prune --repository ./www --keep 8', 'Offer the newest eight releases only'],
    [
      'holdfast release prune --repository ./www --keep 8 --grace-days 0',
      'Also free the space at once: hosts that are fetching another release fail',
    ],
  ],
  output: async () => (await import('../../output/releases.ts')).releasePruneOutput,
  async run({ flags: { repository, keep, graceDays = defaultGraceDays }, home, output }) {
    if (repository === undefined)
      throw misuse('usage.repository', '--repository is missing', {
        next: 'name the directory of the repository with --repository DIR',
      });
    if (!keep)
      throw misuse('usage.keep', '--keep is missing or zero', {
        next: 'give the number of the newest releases to keep with --keep N',
      });
    const pruned = await pruneRepository({
      repository: resolve(repository),
      ...{ keep, graceDays, keys: repositoryKeys(home) },
    });
    const lines = [
      `Withdrew ${pruned.withdrawn.length} of ${pruned.withdrawn.length + pruned.kept} releases`,
      `Freed ${formatSize(pruned.freed)}`,
      ...(pruned.pending > 0
        ? [
            `Run this again in ${graceDays} days to free ${formatSize(pruned.pending)}: hosts may be fetching it`,
          ]
        : []),
    ];
    output.result(pruned, lines.join('\n'));
  },
});
