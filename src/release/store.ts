import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSystemError } from '../base/errors.ts';
import { makePrivateDirectory, readBounded, syncDirectory } from '../base/files.ts';
import { withLock } from '../base/lock.ts';
import type { Progress } from '../base/progress.ts';
import { type Bytes, MiB } from '../base/size.ts';
import { requireSpace } from '../base/space.ts';
import { createBaseImage } from '../disk/base-image.ts';
import { type ReleaseManifest, type Sha256, sha256 } from './manifest.ts';
import { hasSmallFile, readSmallFile, type SmallContent, type SmallFile, smallFiles } from './small-files.ts';
import { parseManifest, readRelease, type SignedRelease, verifyFiles } from './verify.ts';

/** The directories of the store and of the trusted keys. */
export interface StoreDirectories {
  readonly releases: string;
  readonly keys: string;
}

/** A release that machines can run from. Its files are never changed, only removed. */
export interface StoredRelease {
  readonly digest: Sha256;
  readonly manifest: ReleaseManifest;
  /** The base image of its machines' disks. */
  readonly baseImage: string;
}

const parts = Object.keys(smallFiles) as SmallFile[];

/** FAT tables and directories of the boot partitions, and the partitions' alignment. */
const baseImageOverhead = 4 * MiB;

/** Returns the path of the certificate that must have signed releases. */
export function trustedCertificate(directories: StoreDirectories): string {
  return join(directories.keys, 'release', 'certificate.pem');
}

/**
 * Runs `work` with the lock of the store: no other process adds or removes releases. A release is in use once a machine's
 * configuration names it, so import it and write that configuration under one such lock.
 */
export async function withReleaseStore<T>(
  directories: StoreDirectories,
  holder: string,
  work: () => Promise<T>,
): Promise<T> {
  await makePrivateDirectory(directories.releases);
  return withLock(join(directories.releases, '.lock'), holder, work, { wait: true });
}

/**
 * Imports a release into the store, unless it is there. Verifies everything before it writes anything, and removes the remains
 * of an interrupted import. Needs `withReleaseStore`.
 * @param source the directory that `build` made.
 * @throws HoldfastError `disk.full`, and those of `readRelease` and `verifyFiles`.
 */
export async function importRelease(
  source: string,
  directories: StoreDirectories,
  progress: Progress,
  signal: AbortSignal,
): Promise<StoredRelease> {
  const certificate = trustedCertificate(directories);
  const release = await readRelease(source, certificate);
  const stored = describeStored(directories, release.digest, release.manifest);
  if (await isComplete(stored)) return stored;
  await verifyFiles(release, certificate, progress, signal);
  await progress.step('Importing the release', async () => {
    const { root, uki, unverifiedUki, loader } = release.manifest;
    const needed = (root.size + uki.size + unverifiedUki.size + loader.size + baseImageOverhead) as Bytes;
    await removeLeftovers(directories);
    await requireSpace(directories.releases, needed, 'the release');
    await store(release, directories, signal);
  });
  return stored;
}

async function store(
  release: SignedRelease,
  directories: StoreDirectories,
  signal: AbortSignal,
): Promise<void> {
  const { manifest, digest, directory, signed } = release;
  const draft = draftDirectory(directories, digest);
  try {
    await mkdir(draft, { mode: 0o700 });
    await createBaseImage({
      path: baseImagePath(draft),
      root: join(directory, manifest.root.name),
      uki: join(directory, manifest.uki.name),
      unverifiedUki: join(directory, manifest.unverifiedUki.name),
      loader: join(directory, manifest.loader.name),
      sourceDateEpoch: manifest.sourceDateEpoch,
    });
    signal.throwIfAborted();
    // a newer release is compared with it
    for (const part of parts) {
      const { name } = manifest[part];
      await writeFile(join(draft, name), await readFile(join(directory, name)), { mode: 0o444, flush: true });
    }
    await writeFile(join(draft, 'release.json'), signed.manifest, { mode: 0o444, flush: true });
    await writeFile(join(draft, 'release.json.sig'), signed.signature, { mode: 0o444, flush: true });
    await syncDirectory(draft);
    await rm(releaseDirectory(directories, digest), { recursive: true, force: true }); // damaged or missing
    await rename(draft, releaseDirectory(directories, digest));
    await syncDirectory(directories.releases);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Returns a release in the store; undefined when it is missing. @throws those of `parseManifest`. */
export async function storedRelease(
  directories: StoreDirectories,
  digest: Sha256,
): Promise<StoredRelease | undefined> {
  const manifest = await storedManifest(directories, digest);
  return manifest && describeStored(directories, digest, manifest);
}

/**
 * Returns a release in the store; undefined also when its files are missing or damaged, so that it is
 * imported again. Cheap.
 */
export async function completeRelease(
  directories: StoreDirectories,
  digest: Sha256,
): Promise<StoredRelease | undefined> {
  const stored = await storedRelease(directories, digest);
  return stored && (await isComplete(stored)) ? stored : undefined;
}

/** Reads a describing file of a release in the store. @throws HoldfastError `release.damaged`. */
export function storedPart<Part extends SmallFile>(
  directories: StoreDirectories,
  { digest, manifest }: StoredRelease,
  part: Part,
): Promise<SmallContent<Part>> {
  return readSmallFile(releaseDirectory(directories, digest), manifest, part);
}

/** Returns the digests of all releases in the store. */
export async function storedDigests(directories: StoreDirectories): Promise<Sha256[]> {
  const names = await readdir(directories.releases).catch((error: unknown): string[] => {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  });
  return names.flatMap((name) => sha256.safeParse(name).data ?? []);
}

/** Returns the manifest of a release in the store; undefined when it is missing. */
export async function storedManifest(
  directories: StoreDirectories,
  digest: Sha256,
): Promise<ReleaseManifest | undefined> {
  const directory = releaseDirectory(directories, digest);
  try {
    return parseManifest(await readBounded(join(directory, 'release.json'), MiB), directory);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Removes the releases that no machine uses. They can be imported again from their source. Needs `withReleaseStore`.
 * @param used the digests in the configurations of all machines.
 */
export async function removeUnusedReleases(
  directories: StoreDirectories,
  used: ReadonlySet<Sha256>,
): Promise<void> {
  await removeLeftovers(directories);
  for (const name of await readdir(directories.releases)) {
    const digest = sha256.safeParse(name);
    if (!digest.success || used.has(digest.data)) continue;
    await rename(join(directories.releases, name), draftDirectory(directories, digest.data)); // atomic, even when interrupted
  }
  await removeLeftovers(directories);
}

/** Removes the remains of interrupted imports and removals. */
async function removeLeftovers(directories: StoreDirectories): Promise<void> {
  for (const name of await readdir(directories.releases)) {
    if (sha256.safeParse(name.slice(1)).success && name.startsWith('.'))
      await rm(join(directories.releases, name), { recursive: true });
  }
}

/**
 * Returns whether a release is complete, by the size of its base image and by its small files. Directories
 * are created atomically, so this only detects modifications by other programs. Cheap.
 */
async function isComplete({ baseImage, manifest }: StoredRelease): Promise<boolean> {
  const found = await stat(baseImage).catch(() => undefined);
  if (!found?.isFile() || found.size <= manifest.root.size) return false;
  const whole = await Promise.all(parts.map((part) => hasSmallFile(dirname(baseImage), manifest, part)));
  return whole.every((each) => each);
}

/** Returns the path of the base image of a release, also of one that is not in the store. */
export function storedBaseImage(directories: Pick<StoreDirectories, 'releases'>, digest: Sha256): string {
  return baseImagePath(releaseDirectory(directories, digest));
}

function describeStored(
  directories: StoreDirectories,
  digest: Sha256,
  manifest: ReleaseManifest,
): StoredRelease {
  return { digest, manifest, baseImage: storedBaseImage(directories, digest) };
}

function releaseDirectory(directories: Pick<StoreDirectories, 'releases'>, digest: Sha256): string {
  return join(directories.releases, digest);
}

function draftDirectory(directories: StoreDirectories, digest: Sha256): string {
  return join(directories.releases, `.${digest}`);
}

function baseImagePath(directory: string): string {
  return join(directory, 'base.raw');
}
