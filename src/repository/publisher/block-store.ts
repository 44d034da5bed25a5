import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { ProgressStep } from '../../base/progress.ts';
import { type BlockIndex, type BlockPrefix, prefixAt, prefixSize } from '../../delta/block-index.ts';
import { compressFrame } from '../../delta/frame-codec.ts';
import { unitsPerBlock } from '../../delta/old-blocks.ts';
import type { RowReader } from '../../delta/row-reader.ts';
import { orderBlocks, type StoreFrame, type StoreOrder } from '../../delta/store-order.ts';
import { sha256 } from '../../release/manifest.ts';
import { type FrameDescription, slotsPerFrame } from '../catalog.ts';
import { sha256Of } from '../signed-metadata.ts';

/** Number of older releases, the newest ones, that classes distinguish: one bit each. */
export const classedReleases = 8;

/**
 * Computes the classes of a new release's blocks: bit n is set if the n-th newest older release has
 * the block.
 * @param older prefixes of older releases, the newest first.
 */
export function classify(prefixes: Buffer, older: readonly Buffer[]): Uint8Array {
  const blocks = prefixes.length / prefixSize;
  const classes = new Uint8Array(blocks);
  for (const [bit, others] of older.slice(0, classedReleases).entries()) {
    const known = new Set<BlockPrefix>();
    for (let block = 0; block < others.length / prefixSize; block += 1) known.add(prefixAt(others, block));
    for (let block = 0; block < blocks; block += 1)
      if (known.has(prefixAt(prefixes, block))) classes[block] = (classes[block] ?? 0) | (1 << bit);
  }
  return classes;
}

/**
 * Writes the block store of a release.
 * @param path file to create.
 * @param older number of older releases that the classes of the index distinguish.
 * @returns the frames in file order.
 */
export async function writeBlockStore(
  path: string,
  row: RowReader,
  index: BlockIndex,
  older: number,
  step: ProgressStep,
  signal: AbortSignal,
): Promise<FrameDescription[]> {
  const order = orderBlocks(index, slotsPerFrame);
  const inAll = (1 << Math.min(older, classedReleases)) - 1;
  const described: FrameDescription[] = [];
  const file = await open(path, 'wx');
  try {
    const atOnce = availableParallelism();
    for (let done = 0; done < order.frames.length; done += atOnce) {
      signal.throwIfAborted();
      const batch = order.frames.slice(done, done + atOnce);
      const encoded = await Promise.all(
        batch.map(async (frame) => {
          const isOld = index.classes[order.blockIn[frame.firstSlot] ?? 0] === inAll;
          return compressFrame(await readFrame(row, frame, order), isOld ? 'quick' : 'thorough');
        }),
      );
      for (const bytes of encoded) {
        await file.appendFile(bytes);
        described.push({ size: bytes.length, sha256: sha256.parse(sha256Of(bytes)) });
      }
      step.update({ done: done + batch.length, total: order.frames.length, unit: 'items' });
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return described;
}

async function readFrame(
  row: RowReader,
  { firstSlot, slots }: StoreFrame,
  order: StoreOrder,
): Promise<Buffer> {
  const blocks: Buffer[] = [];
  for (let slot = firstSlot; slot < firstSlot + slots; slot += 1)
    blocks.push(await row.read((order.blockIn[slot] ?? 0) * unitsPerBlock, unitsPerBlock));
  return Buffer.concat(blocks);
}
