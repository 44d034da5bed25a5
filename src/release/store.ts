import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSystemError } from '../base/errors.ts';
import { makePrivateFolder, readBounded, syncFolder } from '../base/files.ts';
import { withLock } from '../base/lock.ts';
import type { Progress } from '../base/progress.ts';
import { type Bytes, MiB } from '../base/size.ts';
import { requireSpace } from '../base/space.ts';
import { createBaseImage } from '../disk/base-image.ts';
import { type ReleaseManifest, type Sha256, sha256 } from './manifest.ts';
import { hasSmallFile, readSmallFile, type SmallContent, type SmallFile, smallFiles } from './small-files.ts';
import { parseManifest, readRelease, type SignedRelease, verifyFiles } from './verify.ts';

/** Where the store is, and the keys of those whose releases are trusted. */
export interface StoreFolders {
  readonly releases: string;
  readonly keys: string;
}

/** A release that machines can run from. Its files are never changed, only removed. */
export interface StoredRelease {
  readonly digest: Sha256;
  readonly manifest: ReleaseManifest;
  /** What the disks of its machines stand on. */
  readonly baseImage: string;
}

const parts = Object.keys(smallFiles) as SmallFile[];

/** FAT tables and folders of the boot partitions, and the partitions' alignment. */
const baseImageOverhead = 4 * MiB;

/** The certificate that releases must be signed by. */
export function trustedCertificate(folders: StoreFolders): string {
  return join(folders.keys, 'release', 'certificate.pem');
}

/**
 * Runs `work` while nobody else adds or removes releases; waits for whoever does. A release is in use from the moment a
 * machine's configuration names it: bring it into the store and write that configuration under one such lock.
 */
export async function withReleaseStore<T>(
  folders: StoreFolders,
  holder: string,
  work: () => Promise<T>,
): Promise<T> {
  await makePrivateFolder(folders.releases);
  return withLock(join(folders.releases, '.lock'), holder, work, { wait: true });
}

/**
 * Brings a release into the store, or finds that it is there. All is checked before anything is made; what an
 * interrupted import left is removed. Needs `withReleaseStore`.
 * @param source the folder that `build` made.
 * @throws HoldfastError `disk.full`, and those of `readRelease` and `verifyFiles`.
 */
export async function importRelease(
  source: string,
  folders: StoreFolders,
  progress: Progress,
  signal: AbortSignal,
): Promise<StoredRelease> {
  const certificate = trustedCertificate(folders);
  const release = await readRelease(source, certificate);
  const stored = describeStored(folders, release.digest, release.manifest);
  if (await isComplete(stored)) return stored;
  await verifyFiles(release, certificate, progress, signal);
  await progress.step('Importing the release', async () => {
    const { root, uki, unverifiedUki, loader } = release.manifest;
    const needed = (root.size + uki.size + unverifiedUki.size + loader.size + baseImageOverhead) as Bytes;
    await removeLeftovers(folders);
    await requireSpace(folders.releases, needed, 'the release');
    await store(release, folders, signal);
  });
  return stored;
}

async function store(release: SignedRelease, folders: StoreFolders, signal: AbortSignal): Promise<void> {
  const { manifest, digest, folder, signed } = release;
  const draft = draftFolder(folders, digest);
  try {
    await mkdir(draft, { mode: 0o700 });
    await createBaseImage({
      path: baseImagePath(draft),
      root: join(folder, manifest.root.name),
      uki: join(folder, manifest.uki.name),
      unverifiedUki: join(folder, manifest.unverifiedUki.name),
      loader: join(folder, manifest.loader.name),
      sourceDateEpoch: manifest.sourceDateEpoch,
    });
    signal.throwIfAborted();
    // so that a newer one can be compared with it
    for (const part of parts) {
      const { name } = manifest[part];
      await writeFile(join(draft, name), await readFile(join(folder, name)), { mode: 0o444, flush: true });
    }
    await writeFile(join(draft, 'release.json'), signed.manifest, { mode: 0o444, flush: true });
    await writeFile(join(draft, 'release.json.sig'), signed.signature, { mode: 0o444, flush: true });
    await syncFolder(draft);
    await rm(releaseFolder(folders, digest), { recursive: true, force: true }); // others damaged it, or it is not there
    await rename(draft, releaseFolder(folders, digest));
    await syncFolder(folders.releases);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** A release in the store; undefined when it is not there. @throws those of `parseManifest`. */
export async function storedRelease(
  folders: StoreFolders,
  digest: Sha256,
): Promise<StoredRelease | undefined> {
  const manifest = await storedManifest(folders, digest);
  return manifest && describeStored(folders, digest, manifest);
}

/** The same, but undefined also when files are missing or damaged, so that it is brought in again. Cheap. */
export async function completeRelease(
  folders: StoreFolders,
  digest: Sha256,
): Promise<StoredRelease | undefined> {
  const stored = await storedRelease(folders, digest);
  return stored && (await isComplete(stored)) ? stored : undefined;
}

/** What a release in the store tells of itself. @throws HoldfastError `release.damaged`. */
export function storedPart<Part extends SmallFile>(
  folders: StoreFolders,
  { digest, manifest }: StoredRelease,
  part: Part,
): Promise<SmallContent<Part>> {
  return readSmallFile(releaseFolder(folders, digest), manifest, part);
}

/** The digests of all releases in the store. */
export async function storedDigests(folders: StoreFolders): Promise<Sha256[]> {
  const names = await readdir(folders.releases).catch((error: unknown): string[] => {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  });
  return names.flatMap((name) => sha256.safeParse(name).data ?? []);
}

/** The manifest of a release in the store; undefined when it is not there. */
export async function storedManifest(
  folders: StoreFolders,
  digest: Sha256,
): Promise<ReleaseManifest | undefined> {
  const folder = releaseFolder(folders, digest);
  try {
    return parseManifest(await readBounded(join(folder, 'release.json'), MiB), folder);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Removes the releases that no machine runs from, so that the last machine takes its release along: it can be brought in
 * again from where it was built. Needs `withReleaseStore`.
 * @param used what the configurations of all machines name.
 */
export async function removeUnusedReleases(folders: StoreFolders, used: ReadonlySet<Sha256>): Promise<void> {
  await removeLeftovers(folders);
  for (const name of await readdir(folders.releases)) {
    const digest = sha256.safeParse(name);
    if (!digest.success || used.has(digest.data)) continue;
    await rename(join(folders.releases, name), draftFolder(folders, digest.data)); // gone whole, even if we are cut off
  }
  await removeLeftovers(folders);
}

/** What an import was making, or a removal was removing, when it was cut off. */
async function removeLeftovers(folders: StoreFolders): Promise<void> {
  for (const name of await readdir(folders.releases)) {
    if (sha256.safeParse(name.slice(1)).success && name.startsWith('.'))
      await rm(join(folders.releases, name), { recursive: true });
  }
}

/** Folders appear whole, so this only guards against what other programs did to the store. Cheap. */
async function isComplete({ baseImage, manifest }: StoredRelease): Promise<boolean> {
  const found = await stat(baseImage).catch(() => undefined);
  if (!found?.isFile() || found.size <= manifest.root.size) return false;
  const whole = await Promise.all(parts.map((part) => hasSmallFile(dirname(baseImage), manifest, part)));
  return whole.every((each) => each);
}

function describeStored(folders: StoreFolders, digest: Sha256, manifest: ReleaseManifest): StoredRelease {
  return { digest, manifest, baseImage: baseImagePath(releaseFolder(folders, digest)) };
}

function releaseFolder(folders: StoreFolders, digest: Sha256): string {
  return join(folders.releases, digest);
}

function draftFolder(folders: StoreFolders, digest: Sha256): string {
  return join(folders.releases, `.${digest}`);
}

function baseImagePath(folder: string): string {
  return join(folder, 'base.raw');
}
