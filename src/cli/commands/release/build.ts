import { join, resolve } from 'node:path';
import { projectDirectory } from '../../../base/project.ts';
import { defineCommand } from '../../framework/command.ts';
import { anyText, setting } from '../../framework/parameters.ts';

export const buildCommand = defineCommand({
  description: 'Does nothing when neither the packages nor the recipe have changed.',
  arguments: {},
  flags: {
    out: setting('DIR', 'Output directory (default: build in HOLDFAST_HOME)', anyText),
    mirror: setting('URL', "Debian mirror (default: the mirror of the host's apt)", anyText),
    lock: setting('FILE', 'Use exactly the package versions in this packages.json', anyText),
  },
  examples: [
    ['holdfast build', 'Build a release from the newest packages, if anything changed'],
    ['holdfast build --out ./release --lock ./packages.json', 'Rebuild a release, byte for byte'],
  ],
  output: async () => (await import('../../output/releases.ts')).buildOutput,
  run: async ({ flags, home, progress, signal, output }) => {
    const { buildRelease } = await import('../../../release/build/build.ts');
    const out = flags.out === undefined ? join(home.directory, 'build') : resolve(flags.out);
    const { manifest, built } = await buildRelease({
      out,
      keys: home.keys,
      cache: home.cache,
      project: projectDirectory,
      mirror: flags.mirror,
      lock: flags.lock === undefined ? undefined : resolve(flags.lock),
      progress,
      signal,
    });
    output.result(
      { directory: out, built, manifest },
      `${built ? 'Built' : 'Unchanged:'} release ${manifest.version} in ${out}\nRoot hash ${manifest.root.rootHash}${ownerText(home.directory)}`,
    );
  },
});

/** Returns whose the release is after `sudo holdfast build`: its user has another home, and cannot read root's keys. */
export function ownerText(home: string, environment: NodeJS.ProcessEnv = process.env): string {
  const user = environment.SUDO_USER;
  if (user === undefined || user === 'root') return '';
  return `\nThe release and its keys belong to root, in ${home}: deploy with sudo, too, as ${user} has another HOLDFAST_HOME`;
}
