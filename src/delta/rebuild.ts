import { MiB } from '../base/size.ts';
import { blockSize } from '../verity/geometry.ts';
import { unitsPerBlock } from './old-blocks.ts';
import { contextOf, decodePart, partsOf } from './pack-codec.ts';
import type { Run } from './plan.ts';
import type { RowReader } from './row-reader.ts';
import type { RowWriter } from './row-writer.ts';
import type { StoreOrder } from './store-order.ts';

/** Blocks copied at once. */
const copyBlocks = MiB / blockSize;

/**
 * Copies the blocks that the host has into the new release.
 * @param count receives the number of blocks per write.
 */
export async function copyOld(
  runs: readonly Run[],
  old: RowReader,
  target: RowWriter,
  count: (blocks: number) => void,
): Promise<void> {
  for (const { firstBlock, blocks, from } of runs) {
    if (from === undefined) continue;
    for (let done = 0; done < blocks; done += copyBlocks) {
      const length = Math.min(copyBlocks, blocks - done);
      const bytes = await old.read(from + done * unitsPerBlock, length * unitsPerBlock);
      await target.write(firstBlock + done, bytes);
      count(length);
    }
  }
}

/**
 * Returns, for each slot of the block store that serves more than one block, the additional blocks.
 */
export function blocksOfSlots({ slotOf, blockIn }: StoreOrder): Map<number, number[]> {
  const several = new Map<number, number[]>();
  for (const [block, slot] of slotOf.entries()) {
    if (blockIn[slot] === block) continue;
    const blocks = several.get(slot);
    if (blocks) blocks.push(block);
    else several.set(slot, [block]);
  }
  return several;
}

/** Writes the blocks of a decompressed frame to all their positions. */
export async function placeFrame(
  data: Buffer,
  firstSlot: number,
  order: StoreOrder,
  repeated: ReadonlyMap<number, readonly number[]>,
  target: RowWriter,
): Promise<void> {
  const slots = data.length / blockSize;
  for (let index = 0; index < slots; ) {
    const slot = firstSlot + index;
    const block = order.blockIn[slot] ?? 0;
    let length = 1;
    while (index + length < slots && order.blockIn[slot + length] === block + length) length += 1;
    await target.write(block, data.subarray(index * blockSize, (index + length) * blockSize));
    for (let each = 0; each < length; each += 1) {
      const bytes = data.subarray((index + each) * blockSize, (index + each + 1) * blockSize);
      for (const place of repeated.get(slot + each) ?? []) await target.write(place, bytes);
    }
    index += length;
  }
}

/** Reads the context of a pack from the old release. */
export async function readContext(runs: readonly Run[], old: RowReader): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (const { start, units } of contextOf(runs, old.units)) pieces.push(await old.read(start, units));
  return Buffer.concat(pieces);
}

/**
 * Decompresses the parts of a pack in order and writes their blocks.
 * @param readPart returns the verified bytes of a part. @throws HoldfastError `delta.pack`.
 */
export async function placeParts(
  runs: readonly Run[],
  context: Buffer,
  readPart: (index: number) => Promise<Buffer>,
  target: RowWriter,
): Promise<void> {
  for (const [index, blocks] of partsOf(runs).entries()) {
    const data = await decodePart(await readPart(index), context, blocks.length * blockSize);
    for (const [at, block] of blocks.entries())
      await target.write(block, data.subarray(at * blockSize, (at + 1) * blockSize));
  }
}
