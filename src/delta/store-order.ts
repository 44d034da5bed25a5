import { type BlockIndex, type BlockPrefix, prefixAt } from './block-index.ts';

/** Blocks that are compressed, fetched and checked together. */
export interface Frame {
  readonly firstSlot: number;
  readonly slots: number;
}

/** Where each block lies in the block store. Follows from the index alone, so it is never sent. */
export interface StoreOrder {
  /** For each block, its slot in the store: equal blocks share one. */
  readonly slotOf: Uint32Array;
  /** For each slot, the first block that is kept there. */
  readonly blockIn: Uint32Array;
  readonly frames: readonly Frame[];
}

/**
 * Orders the blocks of a release for its store: by class, then by place. Whoever has one of the older releases lacks whole
 * classes, so the frames that he needs lie side by side and hold nothing that he has.
 * @param slotsPerFrame at most; a frame holds blocks of one class only.
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
  const frames: Frame[] = [];
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

/** The frame that holds each slot. */
export function frameOfSlots({ frames, blockIn }: StoreOrder): Uint32Array {
  const result = new Uint32Array(blockIn.length);
  for (const [index, { firstSlot, slots }] of frames.entries())
    result.fill(index, firstSlot, firstSlot + slots);
  return result;
}
