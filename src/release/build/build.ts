import { mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hostArchitecture } from '../../base/architecture.ts';
import { describe, failure, isSystemError, misuse } from '../../base/errors.ts';
import { exists, makeDirectory, makePrivateDirectory, readBounded, syncDirectory } from '../../base/files.ts';
import { withLock } from '../../base/lock.ts';
import { run } from '../../base/process.ts';
import type { Progress } from '../../base/progress.ts';
import { type Bytes, GiB, MiB } from '../../base/size.ts';
import { requireSpace } from '../../base/space.ts';
import type { PackageSources } from '../../distribution/distribution.ts';
import { guestDistribution } from '../distribution.ts';
import { keyPair } from '../keys.ts';
import { type ReleaseManifest, releaseManifest } from '../manifest.ts';
import { type PackageLock, packageLock } from '../package-lock.ts';
import { digestInputs } from '../tree.ts';
import { releaseFiles } from '../verify.ts';
import { assembleRelease } from './assemble.ts';
import { versionIn } from './version.ts';

/** The limit for a package lock; thousands of packages fit. */
const lockLimit = 16 * MiB;

/** The disk space that a build needs. */
const buildRoom = (3 * GiB) as Bytes;

export interface BuildRequest {
  /** The release's directory: created, or replaced as a whole. */
  readonly out: string;
  /** HOLDFAST_HOME/keys. */
  readonly keys: string;
  /** The directory for temporary files. */
  readonly cache: string;
  /** The project's own directory, with `image/` and `src/`. */
  readonly project: string;
  readonly mirror: string | undefined;
  /** A `packages.json`: build from exactly these versions. */
  readonly lock: string | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface BuildResult {
  readonly manifest: ReleaseManifest;
  /** False: nothing has changed since the release in `out` was built. */
  readonly built: boolean;
}

/**
 * Builds a release, unless the one in `out` has the same inputs. Needs root.
 * @throws HoldfastError `release.root`, `release.lock`, `release.lock-file`, `release.out`, `release.too-large`, and errors of the
 *   programs.
 */
export async function buildRelease(request: BuildRequest): Promise<BuildResult> {
  const { progress, out, cache } = request;
  await checkTarget(out);
  await makePrivateDirectory(cache);
  return withLock(join(cache, 'build.lock'), 'build', async () => {
    const scratch = join(cache, 'build');
    await rm(scratch, { recursive: true, force: true }); // left by a killed build: we hold the lock
    await mkdir(scratch);
    try {
      const lock = request.lock === undefined ? undefined : await readLock(request.lock);
      const key = await keyPair(request.keys, 'release');
      const [sources, inputs] = await progress.step('Checking for changes', async () => {
        const found = await guestDistribution.findSources(request.mirror, scratch);
        return [
          found,
          await inputDigest(request, found, lock, await readFile(key.certificate, 'utf8')),
        ] as const;
      });
      const unchanged = await findUnchanged(out, inputs);
      if (unchanged) return { manifest: unchanged, built: false };
      if (process.getuid?.() !== 0) {
        throw failure('release.root', 'cannot build a release without root', {
          why: 'its files belong to many users, and programs of the new system run during the build',
          next: 'run it with sudo, or build on another host and run `holdfast deploy --release DIR`',
        });
      }
      await requireSpace(cache, buildRoom, 'the build');
      const directory = join(scratch, 'release');
      await mkdir(directory);
      const last = join(cache, 'last-version');
      const built = await readFile(last, 'utf8').catch(() => '');
      const manifest = await assembleRelease({
        ...{ directory, scratch, image: join(request.project, 'image'), sources: sources.lines, lock, key },
        epoch: lock?.sourceDateEpoch ?? sources.state?.date ?? Math.floor(Date.now() / 1000),
        earlier: [built.trim(), ...(await versionIn(out))],
        ...{ progress, signal: request.signal },
      });
      await writeFile(join(directory, 'inputs'), `${inputs}\n`);
      await replaceDirectory(directory, out);
      if (!lock) await writeFile(last, `${manifest.version}\n`);
      return { manifest, built: true };
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  });
}

async function readLock(path: string): Promise<PackageLock> {
  try {
    return packageLock.parse(JSON.parse((await readBounded(path, lockLimit)).toString()));
  } catch (error) {
    throw misuse('release.lock-file', `${path} is not a package lock`, {
      why: describe(error),
      next: 'pass the packages.json of a release',
      cause: error,
    });
  }
}

/** Checks that only a release or an empty directory is replaced: a typing error must not destroy another directory. */
async function checkTarget(out: string): Promise<void> {
  const names = await readdir(out).catch((error: unknown): string[] => {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  });
  if (names.length === 0 || names.includes('release.json')) return checkWritable(dirname(out));
  throw misuse('release.out', `cannot write the release to ${out}: it contains something else`, {
    why: 'a build replaces the whole directory',
    next: 'pass a new or empty directory with --out',
  });
}

/** Checks before the build, which takes minutes, that the directory can be written. */
async function checkWritable(directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
    await rmdir(await mkdtemp(join(directory, '.holdfast-')));
  } catch (error) {
    throw misuse('release.out', `cannot write the release to ${directory}`, {
      why: describe(error),
      next: 'pass a writable directory with --out',
      cause: error,
    });
  }
}

/** Returns the digest of everything that determines the result of a build. */
async function inputDigest(
  request: BuildRequest,
  sources: PackageSources,
  lock: PackageLock | undefined,
  certificate: string,
): Promise<string> {
  const packages = lock === undefined ? (sources.state?.digest ?? 'unknown') : JSON.stringify(lock);
  const names = ['image', 'src/release', 'src/distribution', 'src/debian', 'src/verity'];
  const directories = names.map((name) => join(request.project, name));
  const texts = [packages, certificate, JSON.stringify(hostArchitecture), ...sources.lines];
  return digestInputs(texts, directories);
}

/** Returns the manifest in `out` if it was built from the same inputs and all its files exist. */
async function findUnchanged(out: string, inputs: string): Promise<ReleaseManifest | undefined> {
  if (!(await exists(join(out, 'release.json')))) return undefined;
  if ((await readFile(join(out, 'inputs'), 'utf8').catch(() => '')).trim() !== inputs) return undefined;
  const parsed = releaseManifest.safeParse(JSON.parse(await readFile(join(out, 'release.json'), 'utf8')));
  if (!parsed.success) return undefined;
  for (const { name, size } of releaseFiles(parsed.data)) {
    const found = await stat(join(out, name)).catch(() => undefined);
    if (found?.size !== size) return undefined;
  }
  return parsed.data;
}

/** Replaces a directory. An interruption leaves the old or the new one, or both under their temporary names. */
async function replaceDirectory(directory: string, target: string): Promise<void> {
  await makeDirectory(dirname(target));
  const old = `${target}.old`;
  await rm(old, { recursive: true, force: true });
  if (await exists(target)) await rename(target, old);
  await rename(directory, target).catch(async (error) => {
    if (!isSystemError(error, 'EXDEV')) throw error;
    await run('cp', ['--archive', '--reflink=auto', directory, target]);
  });
  await syncDirectory(dirname(target));
  await rm(old, { recursive: true, force: true });
}
