import { withReleaseStore } from '../../../release/store.ts';
import { updateContext } from '../../../update/context.ts';
import { withRelease } from '../../../update/obtain-release.ts';
import { defineCommand } from '../../framework/command.ts';
import { anyText, required } from '../../framework/parameters.ts';

export const releaseImportCommand = defineCommand({
  description:
    'Brings a release into the store of this host, from where machines use it, after it was verified. Needed when the release that a machine stands on is gone from the store; other commands import by themselves.',
  arguments: {
    from: required('SRC', 'Release directory, bundle, or repository (its newest release)', anyText),
  },
  flags: {},
  examples: [
    ['holdfast release import ./release', 'Bring back the release that a machine was deployed from'],
    ['holdfast release import https://updates.example/', 'Fetch the newest release of a repository'],
  ],
  output: async () => (await import('../../output/releases.ts')).releaseImportOutput,
  async run({ arguments: { from }, ...context }) {
    const { home, output } = context;
    const { digest, manifest } = await withRelease(updateContext(context), from, (obtain) =>
      withReleaseStore(home, 'release import', obtain),
    );
    output.result(
      { digest, version: manifest.version },
      `Imported release ${manifest.version} (SHA-256 of release.json: ${digest})`,
    );
  },
});
