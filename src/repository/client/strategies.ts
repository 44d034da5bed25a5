import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { describe, failure, type HoldfastError, isFailure } from '../../base/errors.ts';
import { digestOfFile } from '../../base/file-digest.ts';
import type { Progress } from '../../base/progress.ts';
import { formatSize } from '../../base/size.ts';
import type { BlockIndex } from '../../delta/block-index.ts';
import { type ContentFile, countBlocks } from '../../delta/content.ts';
import { decompressFrame } from '../../delta/frame-codec.ts';
import { OldBlocks, unitsPerBlock } from '../../delta/old-blocks.ts';
import { decodePlan } from '../../delta/pack-plan.ts';
import { framesNeeded, planRuns, type Run } from '../../delta/plan.ts';
import { blocksOfSlots, copyOld, placeFrame, placeParts, readContext } from '../../delta/rebuild.ts';
import { RowReader } from '../../delta/row-reader.ts';
import { RowWriter } from '../../delta/row-writer.ts';
import { orderBlocks } from '../../delta/store-order.ts';
import type { Sha256 } from '../../release/manifest.ts';
import { formatImage } from '../../verity/format.ts';
import { blockSize } from '../../verity/geometry.ts';
import { contentNames, packName, sizeOfFrames, slotsPerFrame } from '../catalog.ts';
import { addRelease } from '../release-row.ts';
import type { RepositorySource } from '../source/source.ts';
import { type FrameDirectory, type FrameFile, fetchFrames } from './frames.ts';
import type { Offer } from './offer.ts';
import type { OldRelease } from './seeds.ts';

/** How a release is fetched, in order of preference. */
export type FetchStrategy = 'pack' | 'ranges' | 'full';

/** The inputs of every strategy. */
export interface FetchWork {
  readonly source: RepositorySource;
  readonly offer: Offer;
  readonly old: readonly OldRelease[];
  /** All of `old`, concatenated. */
  readonly row: RowReader;
  readonly files: readonly ContentFile[];
  /** Directory in which the release is assembled. */
  readonly home: string;
  readonly frames: FrameDirectory;
  readonly index: () => Promise<BlockIndex>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Bytes received so far. */
  received: number;
}

/** What determines which strategies are possible: the offer, and the releases that the host has. */
interface Between {
  readonly offer: Offer;
  readonly old: readonly Pick<OldRelease, 'digest'>[];
}

interface StrategyDescription {
  readonly strategy: FetchStrategy;
  /** Returns why the strategy is impossible, or undefined. */
  obstacleTo(between: Between): string | undefined;
  /** Assembles the large files in `home`. Only the received data is verified at this point. */
  fetch(work: FetchWork): Promise<void>;
}

export const strategies: readonly StrategyDescription[] = [
  {
    strategy: 'pack',
    obstacleTo: (between) => {
      if (between.old.length === 0) return 'this host has no older release';
      const found = packFor(between);
      if (!found) return 'none was published for a release that this host has';
      const isUseless = sizeOfFrames(found.pack.frames) > sizeOfFrames(between.offer.content.blocks);
      return isUseless ? 'it is larger than the whole release' : undefined;
    },
    fetch: fetchPack,
  },
  {
    strategy: 'ranges',
    obstacleTo: ({ old }) => (old.length === 0 ? 'this host has no older release' : undefined),
    fetch: (work) => fetchBlocks(work, false),
  },
  { strategy: 'full', obstacleTo: () => undefined, fetch: (work) => fetchBlocks(work, true) },
];

/** How a release would be fetched, as far as that is known without fetching any of it. */
export interface LikelyFetch {
  /** The name is a key of `--json`. */
  readonly strategy: FetchStrategy | 'present';
  /**
   * Bytes of large files to receive; undefined when that depends on a comparison with the old
   * releases.
   */
  readonly bytes: number | undefined;
}

/**
 * Returns the strategy that a fetch would try first.
 * @param known digests of the releases in the host's store.
 */
export function likelyFetch(offer: Offer, known: readonly Sha256[]): LikelyFetch {
  if (known.includes(offer.digest)) return { strategy: 'present', bytes: 0 };
  const between = { offer, old: known.map((digest) => ({ digest })) };
  const { strategy = 'full' } = strategies.find(({ obstacleTo }) => obstacleTo(between) === undefined) ?? {};
  if (strategy === 'ranges') return { strategy, bytes: undefined };
  const frames = strategy === 'pack' ? packFor(between)?.pack.frames : offer.content.blocks;
  return { strategy, bytes: frames && sizeOfFrames(frames) };
}

function packFor<Old extends Pick<OldRelease, 'digest'>>({
  offer,
  old,
}: {
  readonly offer: Offer;
  readonly old: readonly Old[];
}) {
  for (const release of old) {
    const pack = offer.content.packs.find(({ from }) => from === release.digest);
    if (pack) return { pack, release };
  }
  return undefined;
}

async function fetchPack(work: FetchWork): Promise<void> {
  const found = packFor(work);
  if (!found) return;
  const { pack, release } = found;
  const file = { path: `${work.offer.directory}/${packName(pack.from)}`, frames: pack.frames };
  await download(work, 'Fetching the pack', file, [...pack.frames.keys()], false);
  await work.progress.step('Assembling the release', async (step) => {
    const row = await RowReader.open(release.parts);
    try {
      const [plan, ...parts] = pack.frames;
      if (!plan) throw badPack('it is empty');
      const blocks = countBlocks(work.files);
      const encoded = await decompressPlan(await work.frames.read(plan), blocks);
      const runs = decodePlan(encoded, blocks, row.units);
      const context = await readContext(runs, row);
      await write(work, async (target) => {
        let done = 0;
        await copyOld(runs, row, target, (more) => {
          done += more;
          step.update({ done: done * blockSize, total: blocks * blockSize, unit: 'bytes' });
        });
        const readPart = (index: number) => {
          const part = parts[index];
          if (!part) throw badPack('parts are missing');
          return work.frames.read(part);
        };
        await placeParts(runs, context, readPart, target);
      });
    } finally {
      await row.close();
    }
  });
}

/** Decompresses a plan, in which each run takes at most ten bytes. */
async function decompressPlan(bytes: Buffer, blocks: number): Promise<Buffer> {
  try {
    return await promisify(zstdDecompress)(bytes, { maxOutputLength: blocks * 10 });
  } catch (error) {
    throw badPack(describe(error));
  }
}

function badPack(why: string) {
  return failure('delta.pack', 'cannot read the pack between the two releases', {
    why,
    next: 'report this to the publisher of the repository',
  });
}

/** Fetches the missing blocks from the block store, or all of it. */
async function fetchBlocks(work: FetchWork, whole: boolean): Promise<void> {
  const { offer, row, progress } = work;
  const index = await work.index();
  const order = orderBlocks(index, slotsPerFrame);
  if (order.frames.length !== offer.content.blocks.length) {
    throw failure('repository.malformed', `cannot read the block store of ${work.source.name}`, {
      why: `${offer.content.blocks.length} frames are described, but the index implies ${order.frames.length}`,
      next: 'use a newer Holdfast, or report this to the publisher of the repository',
    });
  }
  const runs: Run[] = whole
    ? [{ firstBlock: 0, blocks: index.classes.length, from: undefined }]
    : planRuns(index, await progress.step('Comparing with stored releases', () => knownBlocks(work)));
  const wanted = framesNeeded(runs, order);
  const file = { path: `${offer.directory}/${contentNames.blocks}`, frames: offer.content.blocks };
  const title = whole ? 'Fetching the whole release' : 'Fetching what changed';
  try {
    await download(work, title, file, wanted, false);
  } catch (error) {
    // interrupted on a server without range requests: start again from the beginning, skipping stored frames
    if (!whole || !isFailure(error, 'repository.no-ranges')) throw error;
    await download(work, title, file, wanted, true);
  }
  await progress.step('Assembling the release', (step) =>
    write(work, async (target) => {
      await copyOld(runs, row, target, () => {});
      const repeated = blocksOfSlots(order);
      for (const [done, number] of wanted.entries()) {
        work.signal.throwIfAborted();
        const [frame, described] = [order.frames[number], offer.content.blocks[number]];
        if (!frame || !described) continue;
        const data = await decompressFrame(await work.frames.read(described), frame.slots * blockSize);
        await placeFrame(data, frame.firstSlot, order, repeated, target);
        step.update({ done, total: wanted.length, unit: 'items' });
      }
    }),
  );
}

async function knownBlocks({ old, row }: FetchWork): Promise<OldBlocks> {
  const known = new OldBlocks();
  let start = 0;
  for (const { manifest, parts } of old) {
    await addRelease(known, row, manifest, start);
    start += countBlocks(parts.map(({ size }) => ({ name: '', size }))) * unitsPerBlock;
  }
  return known;
}

async function download(
  work: FetchWork,
  title: string,
  file: FrameFile,
  wanted: readonly number[],
  whole: boolean,
): Promise<void> {
  const total = wanted.reduce((sum, index) => sum + (file.frames[index]?.size ?? 0), 0);
  await work.progress.step(`${title} (${formatSize(total)})`, async (step) => {
    let done = 0;
    const count = (bytes: number) => {
      done += bytes;
      work.received += bytes;
      step.update({ done, total, unit: 'bytes' });
    };
    await fetchFrames(work.source, file, wanted, work.frames, count, work.signal, whole);
  });
}

async function write(work: FetchWork, fill: (target: RowWriter) => Promise<void>): Promise<void> {
  const target = await RowWriter.create(work.home, work.files);
  try {
    await fill(target);
  } finally {
    await target.close();
  }
}

/**
 * Appends the verity tree to the root, which verifies every block by the root hash, and verifies
 * the other files.
 * @throws HoldfastError `delta.mismatch`.
 */
export async function checkFiles({ offer, home, progress }: FetchWork): Promise<void> {
  const { root, uki, unverifiedUki, loader, sbom } = offer.manifest;
  const { rootHash } = await progress.step('Verifying the new root', () =>
    formatImage(join(home, root.name), root.uuid),
  );
  if (rootHash !== root.rootHash) throw mismatch(`the root hash is ${rootHash} instead of ${root.rootHash}`);
  for (const { name, sha256 } of [uki, unverifiedUki, loader, sbom]) {
    if ((await digestOfFile(join(home, name))) !== sha256) throw mismatch(`the SHA-256 of ${name} differs`);
  }
}

function mismatch(why: string): HoldfastError {
  return failure('delta.mismatch', 'the assembled release differs from what was signed', {
    why: `${why}: a release on this host may be damaged`,
    next: 'run the command again; if the error remains, check the disk of this host',
  });
}
