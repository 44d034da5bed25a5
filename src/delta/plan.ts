import { type BlockIndex, prefixAt } from './block-index.ts';
import { type Location, type OldBlocks, unitsPerBlock } from './old-blocks.ts';
import { frameOfSlots, type StoreOrder } from './store-order.ts';

/** Consecutive blocks of the new release, whose sources are consecutive too. */
export interface Run {
  readonly firstBlock: number;
  readonly blocks: number;
  /** Location in the old content; undefined if the host lacks the blocks. */
  readonly from: Location | undefined;
}

/** Plans where each block of the new release comes from. The runs cover all blocks in order. */
export function planRuns({ classes, prefixes }: BlockIndex, old: OldBlocks): Run[] {
  const runs: Run[] = [];
  let current: { firstBlock: number; blocks: number; from: Location | undefined } | undefined;
  for (let block = 0; block < classes.length; block += 1) {
    const from = old.find(prefixAt(prefixes, block));
    if (current && follows(current, from)) {
      current.blocks += 1;
      continue;
    }
    current = { firstBlock: block, blocks: 1, from };
    runs.push(current);
  }
  return runs;
}

function follows({ from, blocks }: Omit<Run, 'firstBlock'>, next: Location | undefined): boolean {
  return from === undefined ? next === undefined : next === from + blocks * unitsPerBlock;
}

/** Returns the frames of the block store with the blocks that the host lacks, in order. */
export function framesNeeded(runs: readonly Run[], order: StoreOrder): number[] {
  const frameOf = frameOfSlots(order);
  const needed = new Set<number>();
  for (const { firstBlock, blocks, from } of runs) {
    if (from !== undefined) continue;
    for (let block = firstBlock; block < firstBlock + blocks; block += 1)
      needed.add(frameOf[order.slotOf[block] ?? 0] ?? 0);
  }
  return [...needed].sort((a, b) => a - b);
}

/** Counts the blocks that the host lacks. */
export function countMissing(runs: readonly Run[]): number {
  return runs.reduce((sum, { blocks, from }) => sum + (from === undefined ? blocks : 0), 0);
}
