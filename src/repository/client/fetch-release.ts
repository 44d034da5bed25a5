import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorCode } from '../../base/error-codes.ts';
import { describe, isFailure } from '../../base/errors.ts';
import { exists, makePrivateDirectory, writeFileAtomic } from '../../base/files.ts';
import { withLock } from '../../base/lock.ts';
import type { Progress } from '../../base/progress.ts';
import { type Bytes, MiB } from '../../base/size.ts';
import { requireSpace } from '../../base/space.ts';
import { decodeBlockIndex } from '../../delta/block-index.ts';
import { countBlocks } from '../../delta/content.ts';
import { RowReader } from '../../delta/row-reader.ts';
import { checkEpoch } from '../../release/epoch.ts';
import { type SmallFile, smallFiles } from '../../release/small-files.ts';
import { readRelease, type SignedRelease, verifyFiles } from '../../release/verify.ts';
import { contentFiles, targetPaths } from '../catalog.ts';
import type { Source } from '../source/source.ts';
import { FrameDirectory } from './frames.ts';
import type { Offer, Trust } from './offer.ts';
import type { OldRelease } from './seeds.ts';
import { checkFiles, type Road, type RoadWork, roads } from './strategies.ts';

export interface FetchRequest {
  readonly source: Source;
  readonly offer: Offer;
  readonly trust: Trust;
  /** Where releases are put together: one directory each, named by the digest. */
  readonly directory: string;
  /** What the host has. The first is tried first: the one that runs. @param scratch see `openOldReleases`. */
  readonly old: (scratch: string) => Promise<readonly OldRelease[]>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A release that was fetched, put together and verified whole; as `build` would have left it. */
export interface Fetched {
  readonly release: SignedRelease;
  /** How it came; `present`: it was here already. */
  readonly road: Road | 'present';
  /** Bytes of large files that came over the wire in this run. */
  readonly received: number;
  /** Why shorter roads were not taken: one line each. */
  readonly detours: readonly string[];
}

/**
 * Runs `work` while nobody else fetches into a directory, and waits for whoever does: a release must be out of there before the
 * next one is put together.
 */
export async function withFetching<T>(directory: string, work: () => Promise<T>): Promise<T> {
  await makePrivateDirectory(directory);
  return withLock(join(directory, '.lock'), 'update fetch', work, { wait: true });
}

/**
 * Fetches a release: by the shortest road that leads there. What came before a cut is kept and used by the next run;
 * nothing is handed out before every byte is verified. Needs `withFetching`.
 * @throws HoldfastError those of the source, `repository.tampered`, `repository.cut`, `disk.full`, `release.damaged`.
 */
export async function fetchRelease(request: FetchRequest): Promise<Fetched> {
  const { offer, directory, trust, progress, signal } = request;
  const home = join(directory, offer.digest);
  await removeOthers(directory, offer.digest);
  if (await exists(join(home, 'release.json'))) {
    const release = await readRelease(home, trust.certificate);
    try {
      await verifyFiles(release, trust.certificate, progress, signal);
      return { release, road: 'present', received: 0, detours: [] };
    } catch (error) {
      if (!isFailure(error, 'release.damaged')) throw error;
      await rm(join(home, 'release.json')); // somebody changed it: it is put together again
    }
  }
  const files = contentFiles(offer.manifest);
  const size = files.reduce((sum, file) => sum + file.size, 0);
  await mkdir(home, { recursive: true, mode: 0o700 });
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

/** Only one release is fetched at a time: what is left of others is of no use. */
async function removeOthers(directory: string, digest: string): Promise<void> {
  for (const name of await readdir(directory))
    if (name !== digest && name !== '.lock')
      await rm(join(directory, name), { recursive: true, force: true });
}

async function fetchSmallFiles({ metadata, digest, manifest }: Offer, home: string): Promise<void> {
  for (const part of Object.keys(smallFiles) as SmallFile[])
    await writeFileAtomic(join(home, manifest[part].name), await metadata.target(targetPaths(digest)[part]));
}

/** Tries the roads in their order. Another road mends what one of them lacks, but not a source that cannot be trusted. */
async function fetchContent(request: FetchRequest, home: string): Promise<Omit<Fetched, 'release'>> {
  const { source, offer, progress, signal } = request;
  const { digest, manifest, metadata } = offer;
  const old = await request.old(join(home, 'old'));
  checkEpoch(manifest, Math.max(0, ...old.map((release) => release.manifest.epoch)), 'host');
  const row = await RowReader.open(old.flatMap(({ parts }) => parts));
  const files = contentFiles(manifest);
  try {
    const work: RoadWork = {
      ...{ source, offer, old, row, files, home, progress, signal },
      frames: await FrameDirectory.open(join(home, 'frames')),
      index: async () =>
        decodeBlockIndex(await metadata.target(targetPaths(digest).index), countBlocks(files)),
      received: 0,
    };
    const detours: string[] = [];
    for (const { road, isOpen, take } of roads) {
      const obstacle = isOpen(work);
      if (obstacle !== undefined) {
        detours.push(`${road}: ${obstacle}`);
        continue;
      }
      try {
        await take(work);
        await checkFiles(work);
        return { road, received: work.received, detours };
      } catch (error) {
        if (!isFailure(error, ...mended) || road === roads.at(-1)?.road) throw error;
        detours.push(`${road}: ${describe(error)}`);
      }
    }
    throw new TypeError('the last road is always open');
  } finally {
    await row.close();
  }
}

/** Failures of a road that the next one does not share. */
const mended: readonly ErrorCode[] = [
  'delta.pack',
  'delta.index',
  'delta.mismatch',
  'repository.missing',
  'repository.no-ranges',
];
