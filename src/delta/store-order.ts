import { type BlockIndex, type BlockPrefix, prefixAt } from './block-index.ts';

/** Blocks that are compressed, fetched and verified together. */
export interface StoreFrame {
  readonly firstSlot: number;
  readonly slots: number;
}

/**
 * The position of each block in the block store. It derives from the index alone, so it is never
 * transferred.
 */
export interface StoreOrder {
  /** For each block, its slot in the store; equal blocks share a slot. */
  readonly slotOf: Uint32Array;
  /** For each slot, the first block stored there. */
  readonly blockIn: Uint32Array;
  readonly frames: readonly StoreFrame[];
}

/**
 * Orders the blocks of a release for its store: by class, then by position. A host with one of the
 * older releases lacks whole classes, so the frames that it needs are adjacent and hold no block
 * that it has.
 * @param slotsPerFrame maximum; a frame holds blocks of one class only.
 */
export function orderBlocks({ classes, prefixes }: BlockIndex, slotsPerFrame: number): StoreOrder {
  const blocks = classes.length;
  const byClass = new Map<number, number[]>();
  const firstWith = new Map<BlockPrefix, number>();
  for (let block = 0; block < blocks; block += 1) {
    const prefix = prefixAt(prefixes, block);
    if (firstWith.has(prefix)) continue;
    firstWith.set(prefix, block);
    const own = classes[block] ?? 0;
    const members = byClass.get(own);
    if (members) members.push(block);
    else byClass.set(own, [block]);
  }
  const frames: StoreFrame[] = [];
  const blockIn = new Uint32Array(firstWith.size);
  const slotOf = new Uint32Array(blocks);
  let slot = 0;
  for (const [, members] of [...byClass].sort(([a], [b]) => a - b)) {
    for (let done = 0; done < members.length; done += slotsPerFrame)
      frames.push({ firstSlot: slot + done, slots: Math.min(slotsPerFrame, members.length - done) });
    for (const block of members) {
      blockIn[slot] = block;
      slotOf[block] = slot;
      slot += 1;
    }
  }
  for (let block = 0; block < blocks; block += 1) {
    const first = firstWith.get(prefixAt(prefixes, block)) ?? block;
    slotOf[block] = slotOf[first] ?? 0;
  }
  return { slotOf, blockIn, frames };
}

/** Returns the frame of each slot. */
export function frameOfSlots({ frames, blockIn }: StoreOrder): Uint32Array {
  const result = new Uint32Array(blockIn.length);
  for (const [index, { firstSlot, slots }] of frames.entries())
    result.fill(index, firstSlot, firstSlot + slots);
  return result;
}
