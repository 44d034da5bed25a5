import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, makePrivateDirectory, readBounded } from '../../src/base/files.ts';
import { run } from '../../src/base/process.ts';
import { MiB } from '../../src/base/size.ts';
import { hostMirrors } from '../../src/debian/mirror.ts';
import { suite } from '../../src/debian/recipe.ts';
import { packageLock } from '../../src/release/package-lock.ts';
import { builtRelease, cache, holdfast, home } from '../support/home.ts';

/** Source packages of the security update that is measured. */
const updated: readonly string[] = ['openssl', 'curl', 'tzdata'];

/** The directories of two releases that differ by a security update, and of the keys that signed them. */
export interface ReleasePair {
  readonly older: string;
  readonly newer: string;
  readonly keys: string;
}

/**
 * Returns the newest release and one with openssl, curl and tzdata of the point release; or the two directories in
 * `HOLDFAST_BENCH_RELEASES`, separated by a comma, signed by the keys of HOLDFAST_HOME.
 */
export async function releasePair(): Promise<ReleasePair> {
  const [givenOlder, givenNewer] = process.env.HOLDFAST_BENCH_RELEASES?.split(',') ?? [];
  if (givenOlder && givenNewer) return { older: givenOlder, newer: givenNewer, keys: home.keys };
  const newer = await builtRelease();
  const older = join(home.directory, 'older');
  await makePrivateDirectory(cache);
  const scratch = await mkdtemp(join(cache, 'delta-lock-'));
  try {
    const lock = join(scratch, 'packages.json');
    await writeFile(lock, JSON.stringify(await olderLock(newer, scratch)));
    if (!(await exists(older))) await holdfast(home.directory, 'build', '--out', older, '--lock', lock);
  } finally {
    await rm(scratch, { recursive: true });
  }
  return { older, newer, keys: home.keys };
}

async function olderLock(release: string, scratch: string) {
  const bytes = await readBounded(join(release, 'packages.json'), 16 * MiB);
  const lock = packageLock.parse(JSON.parse(bytes.toString()));
  const versions = await pointReleaseVersions(scratch);
  const packages = lock.packages.map((entry) => {
    const version = updated.includes(entry.source) ? versions.get(entry.name) : undefined;
    return version === undefined ? entry : { ...entry, version, sourceVersion: version };
  });
  return { ...lock, sourceDateEpoch: lock.sourceDateEpoch - 14 * 86_400, packages };
}

/** Reads the versions of the main suite, without updates. Uses apt's downloader, which respects the host's proxy. */
async function pointReleaseVersions(scratch: string): Promise<Map<string, string>> {
  const archive = (await hostMirrors())?.archive;
  if (archive === undefined) throw new Error('apt has no Debian mirror on this host');
  const path = join(scratch, 'Packages.xz');
  const address = `${archive}/dists/${suite}/main/binary-amd64/Packages.xz`;
  await run('/usr/lib/apt/apt-helper', ['download-file', address, path]);
  await run('xz', ['--decompress', path]);
  const text = (await readBounded(join(scratch, 'Packages'), 256 * MiB)).toString();
  return new Map(
    text.split('\n\n').map((paragraph) => {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1] ?? '';
      return [field('Package'), field('Version')];
    }),
  );
}
