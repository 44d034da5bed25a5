import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorCode } from '../../base/error-codes.ts';
import { describe, failure, isFailure } from '../../base/errors.ts';
import { exists, makeDirectory, makePrivateDirectory, writeFileAtomic } from '../../base/files.ts';
import { withLock } from '../../base/lock.ts';
import type { Progress } from '../../base/progress.ts';
import { type Bytes, formatSize, KiB, MiB } from '../../base/size.ts';
import { requireSpace } from '../../base/space.ts';
import { decodeBlockIndex } from '../../delta/block-index.ts';
import { countBlocks } from '../../delta/content.ts';
import { RowReader } from '../../delta/row-reader.ts';
import { checkEpoch } from '../../release/epoch.ts';
import { type SmallFile, smallFiles } from '../../release/small-files.ts';
import { readRelease, type SignedRelease, verifyFiles } from '../../release/verify.ts';
import { blockSize } from '../../verity/geometry.ts';
import { contentFiles, contentNames, sizeOfFrames } from '../catalog.ts';
import type { RepositorySource } from '../source/source.ts';
import { FrameDirectory } from './frames.ts';
import type { Offer, RepositoryTrust } from './offer.ts';
import type { OldRelease } from './seeds.ts';
import { checkFiles, type FetchStrategy, type FetchWork, strategies } from './strategies.ts';

export interface FetchRequest {
  readonly source: RepositorySource;
  readonly offer: Offer;
  readonly trust: RepositoryTrust;
  /** Directory in which releases are assembled, each in a directory named by its digest. */
  readonly directory: string;
  /**
   * Opens the releases that the host has, the preferred copy source first.
   * @param scratch see `openOldReleases`.
   */
  readonly old: (scratch: string) => Promise<readonly OldRelease[]>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A release that was fetched, assembled and fully verified, in the form that `build` creates. */
export interface Fetched {
  readonly release: SignedRelease;
  /** The strategy that succeeded; `present` if the release was already there. */
  readonly strategy: FetchStrategy | 'present';
  /** Bytes of large files received in this run. */
  readonly received: number;
  /** Why shorter strategies were not used, one line each. */
  readonly detours: readonly string[];
}

/**
 * Runs `work` with exclusive use of a fetch directory; waits for another process that uses it. A
 * release must be moved out before the next one is assembled.
 */
export async function withFetching<T>(directory: string, work: () => Promise<T>): Promise<T> {
  await makePrivateDirectory(directory);
  return withLock(join(directory, '.lock'), 'update fetch', work, { wait: true });
}

/**
 * Fetches a release with the first strategy that succeeds. Data received before an interruption is
 * stored and used by the next run. The release is returned only after every byte is verified.
 * Requires `withFetching`.
 * @throws HoldfastError those of the source, `repository.tampered`, `repository.cut`, `disk.full`,
 *   `release.damaged`.
 */
export async function fetchRelease(request: FetchRequest): Promise<Fetched> {
  const { offer, directory, trust, progress, signal } = request;
  const home = join(directory, offer.digest);
  await removeOthers(directory, offer.digest);
  if (await exists(join(home, 'release.json'))) {
    const release = await readRelease(home, trust.certificate);
    try {
      await verifyFiles(release, trust.certificate, progress, signal);
      return { release, strategy: 'present', received: 0, detours: [] };
    } catch (error) {
      if (!isFailure(error, 'release.damaged')) throw error;
      await rm(join(home, 'release.json')); // it was changed on disk: assemble it again
    }
  }
  const files = contentFiles(offer.manifest);
  requirePlausibleStore(request.source.name, offer, countBlocks(files) * blockSize);
  const size = files.reduce((sum, file) => sum + file.size, 0);
  await makeDirectory(home, 0o700);
  await requireSpace(home, (2 * size + 16 * MiB) as Bytes, 'the new release');
  await fetchSmallFiles(offer, home);
  const outcome = await fetchContent(request, home);
  await writeFileAtomic(join(home, 'release.json.sig'), offer.signed.signature);
  await writeFileAtomic(join(home, 'release.json'), offer.signed.manifest);
  const release = await readRelease(home, trust.certificate);
  try {
    await verifyFiles(release, trust.certificate, progress, signal);
  } catch (error) {
    await rm(join(home, 'release.json'), { force: true });
    throw error;
  }
  for (const name of ['frames', 'old']) await rm(join(home, name), { recursive: true, force: true });
  return { release, ...outcome };
}

/**
 * Rejects a block store that is larger than its uncompressed content: it would only fill the disk.
 * @throws HoldfastError `repository.malformed`.
 */
function requirePlausibleStore(source: string, { content: { blocks } }: Offer, size: number): void {
  const stored = sizeOfFrames(blocks);
  if (stored <= size + blocks.length * KiB) return; // zstd adds far less than 1 KiB to what it cannot compress
  throw failure('repository.malformed', `cannot use the block store of ${source}`, {
    why: `it has ${formatSize(stored)}, the release only ${formatSize(size)}`,
    next: 'report this to the publisher of the repository',
  });
}

/** Removes the remains of other releases, as only one release is fetched at a time. */
async function removeOthers(directory: string, digest: string): Promise<void> {
  for (const name of await readdir(directory))
    if (name !== digest && name !== '.lock')
      await rm(join(directory, name), { recursive: true, force: true });
}

async function fetchSmallFiles({ manifest, read }: Offer, home: string): Promise<void> {
  for (const part of Object.keys(smallFiles) as SmallFile[])
    await writeFileAtomic(join(home, manifest[part].name), await read(contentNames[part], manifest[part]));
}

/**
 * Tries the strategies in order. Errors that a later strategy can avoid are skipped; an untrusted
 * source is not.
 */
async function fetchContent(request: FetchRequest, home: string): Promise<Omit<Fetched, 'release'>> {
  const { source, offer, progress, signal } = request;
  const { manifest, content } = offer;
  const old = await request.old(join(home, 'old'));
  checkEpoch(manifest, Math.max(0, ...old.map((release) => release.manifest.epoch)), 'host');
  const row = await RowReader.open(old.flatMap(({ parts }) => parts));
  const files = contentFiles(manifest);
  try {
    const work: FetchWork = {
      ...{ source, offer, old, row, files, home, progress, signal },
      frames: await FrameDirectory.open(join(home, 'frames')),
      index: async () =>
        decodeBlockIndex(await offer.read(contentNames.index, content.index), countBlocks(files)),
      received: 0,
    };
    const detours: string[] = [];
    for (const { strategy, obstacleTo, fetch } of strategies) {
      const obstacle = obstacleTo(work);
      if (obstacle !== undefined) {
        detours.push(`${strategy}: ${obstacle}`);
        continue;
      }
      try {
        await fetch(work);
        await checkFiles(work);
        return { strategy, received: work.received, detours };
      } catch (error) {
        if (!isFailure(error, ...avoidable) || strategy === strategies.at(-1)?.strategy) throw error;
        detours.push(`${strategy}: ${describe(error)}`);
      }
    }
    throw new TypeError('the last strategy has no obstacle');
  } finally {
    await row.close();
  }
}

/** Errors of a strategy that a later one can avoid. */
const avoidable: readonly ErrorCode[] = [
  'delta.pack',
  'delta.index',
  'delta.mismatch',
  'repository.denied',
  'repository.missing',
  'repository.no-ranges',
  'repository.page',
];
