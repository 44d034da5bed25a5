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
import { blocksName, packName, slotsPerFrame } from '../catalog.ts';
import { addRelease } from '../release-row.ts';
import type { Source } from '../source/source.ts';
import { type FrameDirectory, type FrameFile, fetchFrames } from './frames.ts';
import type { Offer } from './offer.ts';
import type { OldRelease } from './seeds.ts';

/** The roads to a release, the shortest first. */
export type Road = 'pack' | 'ranges' | 'full';

/** What every road works with. */
export interface RoadWork {
  readonly source: Source;
  readonly offer: Offer;
  readonly old: readonly OldRelease[];
  /** All of `old`, one behind the other. */
  readonly row: RowReader;
  readonly files: readonly ContentFile[];
  /** Where the release is put together. */
  readonly home: string;
  readonly frames: FrameDirectory;
  readonly index: () => Promise<BlockIndex>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Bytes that came over the wire. */
  received: number;
}

/** What decides which roads are open: what is offered, and what the host has. */
interface Between {
  readonly offer: Offer;
  readonly old: readonly Pick<OldRelease, 'digest'>[];
}

interface RoadDescription {
  readonly road: Road;
  /** Why it cannot be taken; undefined: it can. */
  isOpen(between: Between): string | undefined;
  /** Puts the large files together in `home`: nothing of them is verified yet but what came over the wire. */
  take(work: RoadWork): Promise<void>;
}

export const roads: readonly RoadDescription[] = [
  {
    road: 'pack',
    isOpen: (between) => {
      if (between.old.length === 0) return 'this host has no older release';
      return packFor(between) ? undefined : 'none was published for a release that this host has';
    },
    take: takePack,
  },
  {
    road: 'ranges',
    isOpen: ({ old }) => (old.length === 0 ? 'this host has no older release' : undefined),
    take: (work) => takeBlocks(work, false),
  },
  { road: 'full', isOpen: () => undefined, take: (work) => takeBlocks(work, true) },
];

/** How a release would come, as far as that is known without fetching anything of it. */
export interface LikelyRoad {
  readonly road: Road | 'present';
  /** Of large files over the wire; undefined when it is not known before what is here was looked at. */
  readonly bytes: number | undefined;
}

/** The road that a fetch would try first. @param known what the host's store has. */
export function likelyRoad(offer: Offer, known: readonly Sha256[]): LikelyRoad {
  if (known.includes(offer.digest)) return { road: 'present', bytes: 0 };
  const between = { offer, old: known.map((digest) => ({ digest })) };
  const { road = 'full' } = roads.find(({ isOpen }) => isOpen(between) === undefined) ?? {};
  if (road === 'ranges') return { road, bytes: undefined };
  const frames = road === 'pack' ? packFor(between)?.pack.frames : offer.content.blocks;
  return { road, bytes: frames?.reduce((sum, { size }) => sum + size, 0) };
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

async function takePack(work: RoadWork): Promise<void> {
  const found = packFor(work);
  if (!found) return;
  const { pack, release } = found;
  const file = { path: `${work.offer.directory}/${packName(pack.from)}`, frames: pack.frames };
  await download(work, 'Fetching the pack', file, [...pack.frames.keys()], false);
  await work.progress.step('Putting the release together', async (step) => {
    const row = await RowReader.open(release.parts);
    try {
      const [plan, ...parts] = pack.frames;
      if (!plan) throw badPack('it is empty');
      const blocks = countBlocks(work.files);
      const unpacked = await unpackPlan(await work.frames.read(plan), blocks);
      const runs = decodePlan(unpacked, blocks, row.units);
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

/** Each run takes at most ten bytes. */
async function unpackPlan(bytes: Buffer, blocks: number): Promise<Buffer> {
  try {
    return await promisify(zstdDecompress)(bytes, { maxOutputLength: blocks * 10 });
  } catch (error) {
    throw badPack(describe(error));
  }
}

function badPack(why: string) {
  return failure('delta.pack', 'the pack between the two releases is malformed', {
    why,
    next: 'tell whoever publishes the repository',
  });
}

/** Fetches what is missing out of the block store; `whole`: all of it. */
async function takeBlocks(work: RoadWork, whole: boolean): Promise<void> {
  const { offer, row, progress } = work;
  const index = await work.index();
  const order = orderBlocks(index, slotsPerFrame);
  if (order.frames.length !== offer.content.blocks.length) {
    throw failure('repository.malformed', `the block store of ${work.source.name} cannot be read`, {
      why: `${offer.content.blocks.length} frames are described, and the index makes ${order.frames.length}`,
      next: 'use a newer Holdfast, or tell whoever publishes the repository',
    });
  }
  const runs: Run[] = whole
    ? [{ firstBlock: 0, blocks: index.classes.length, from: undefined }]
    : planRuns(index, await progress.step('Looking at what is here', () => knownBlocks(work)));
  const wanted = framesNeeded(runs, order);
  const file = { path: `${offer.directory}/${blocksName}`, frames: offer.content.blocks };
  const title = whole ? 'Fetching the whole release' : 'Fetching what changed';
  try {
    await download(work, title, file, wanted, false);
  } catch (error) {
    // a server of whole files, cut in the middle: again from the start, past what is here
    if (!whole || !isFailure(error, 'repository.no-ranges')) throw error;
    await download(work, title, file, wanted, true);
  }
  await progress.step('Putting the release together', (step) =>
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

async function knownBlocks({ old, row }: RoadWork): Promise<OldBlocks> {
  const known = new OldBlocks();
  let start = 0;
  for (const { manifest, parts } of old) {
    await addRelease(known, row, manifest, start);
    start += countBlocks(parts.map(({ size }) => ({ name: '', size }))) * unitsPerBlock;
  }
  return known;
}

async function download(
  work: RoadWork,
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

async function write(work: RoadWork, fill: (target: RowWriter) => Promise<void>): Promise<void> {
  const target = await RowWriter.create(work.home, work.files);
  try {
    await fill(target);
  } finally {
    await target.close();
  }
}

/**
 * Puts the verity tree behind the root's data, which checks every block of it, and checks the other files.
 * @throws HoldfastError `delta.mismatch`.
 */
export async function checkFiles({ offer, home, progress }: RoadWork): Promise<void> {
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
  return failure('delta.mismatch', 'the new release is not what was signed', {
    why: `${why}: a release on this host may be damaged`,
    next: 'run the command again; if it stays so, check the disk of this host',
  });
}
