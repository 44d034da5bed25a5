import { resolve } from 'node:path';
import { misuse } from '../../../base/errors.ts';
import { formatSize } from '../../../base/size.ts';
import { trustedCertificate } from '../../../release/store.ts';
import { repositoryKeys } from '../../../repository/client/host-trust.ts';
import { publishRelease } from '../../../repository/publisher/publish.ts';
import { defineCommand } from '../../framework/command.ts';
import { anyText, required, setting } from '../../framework/parameters.ts';

export const releasePublishCommand = defineCommand({
  description:
    'Adds the release and packs from older releases to the repository, and signs its metadata. For a release that is already published, only renews the signatures.',
  arguments: {
    release: required('RELEASE_DIR', 'Release directory, as `holdfast build` writes it', anyText),
  },
  flags: {
    repository: setting('DIR', 'Repository, a directory that any web server can serve (required)', anyText),
    from: setting(
      'DIR,...',
      'Older releases to make packs from, in addition to the newest four in the repository',
      directories,
    ),
  },
  examples: [
    [
      'holdfast release publish ./release --repository ./www',
      'Publish a release, or renew the signatures of a published one',
    ],
    [
      'holdfast release publish ./new --repository ./www --from ./old',
      'Also make a pack from a release that was never published',
    ],
  ],
  output: async () => (await import('../../output/releases.ts')).releasePublishOutput,
  async run({ arguments: { release }, flags, home, progress, signal, output }) {
    if (flags.repository === undefined)
      throw misuse('usage.repository', '--repository is missing', {
        next: 'name the directory of the repository with --repository DIR',
      });
    const published = await publishRelease({
      release: resolve(release),
      repository: resolve(flags.repository),
      from: flags.from ?? [],
      certificate: trustedCertificate(home),
      keys: repositoryKeys(home),
      ...{ progress, signal },
    });
    const lines = [
      `Published release ${published.version} in ${resolve(flags.repository)}`,
      `Whole release: ${formatSize(published.blocks)}`,
      ...published.packs.map(({ from, size }) => `Pack from ${from.slice(0, 12)}: ${formatSize(size)}`),
    ];
    output.result(published, lines.join('\n'));
  },
});

function directories(word: string): readonly string[] {
  return word.split(',').map((each) => resolve(anyText(each)));
}
