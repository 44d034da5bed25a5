import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isFailure } from '../../base/errors.ts';
import { makeDirectory } from '../../base/files.ts';
import { run } from '../../base/process.ts';
import type { RowPart } from '../../delta/row-reader.ts';
import { removableMediaPath } from '../../disk/base-image.ts';
import { slotPartition, ukiPaths } from '../../disk/layout.ts';
import type { ReleaseManifest, Sha256 } from '../../release/manifest.ts';
import {
  completeRelease,
  type StoreDirectories,
  type StoredRelease,
  storedDigests,
} from '../../release/store.ts';

/** A release in this host's store that serves as a copy source. */
export interface OldRelease {
  readonly digest: Sha256;
  readonly manifest: ReleaseManifest;
  /** Its large files, in the order of `copiedFiles`. */
  readonly parts: readonly RowPart[];
}

/**
 * Opens the releases in the host's store. Their boot images are extracted from the base image,
 * without mounting it.
 * @param scratch directory for the boot images; the caller removes it.
 */
export async function openOldReleases(directories: StoreDirectories, scratch: string): Promise<OldRelease[]> {
  const old: OldRelease[] = [];
  for (const digest of await storedDigests(directories)) {
    const release = await openStored(directories, digest, scratch);
    if (release) old.push(release);
  }
  return old;
}

/**
 * Returns undefined for a release that is damaged or has an unknown format: it cannot serve as a
 * copy source.
 */
async function openStored(
  directories: StoreDirectories,
  digest: Sha256,
  scratch: string,
): Promise<OldRelease | undefined> {
  try {
    const stored = await completeRelease(directories, digest);
    return stored && { digest, manifest: stored.manifest, parts: await extractParts(stored, scratch) };
  } catch (error) {
    if (isFailure(error, 'release.damaged', 'process.failed')) return undefined;
    throw error;
  }
}

async function extractParts(
  { digest, manifest, baseImage }: StoredRelease,
  scratch: string,
): Promise<RowPart[]> {
  const { root, uki, unverifiedUki, loader } = manifest;
  const directory = join(scratch, digest);
  await rm(directory, { recursive: true, force: true });
  await makeDirectory(directory);
  const env = { ...process.env, MTOOLSRC: '/dev/null' };
  const boot: RowPart[] = [];
  for (const [{ name, size }, part, source] of [
    [uki, 'boot', ukiPaths.on],
    [unverifiedUki, 'boot', ukiPaths.off],
    [loader, 'loader', removableMediaPath],
  ] as const) {
    const path = join(directory, name);
    const drive = ['-i', `${baseImage}@@${slotPartition('A', part).offset}`];
    await run('mcopy', [...drive, `::${source.replaceAll('\\', '/')}`, path], { env });
    boot.push({ path, offset: 0, size });
  }
  return [{ path: baseImage, offset: slotPartition('A', 'root').offset, size: root.dataSize }, ...boot];
}
