import { hash } from 'node:crypto';
import { blockSize, digestSize, type Geometry, type Level } from './geometry.ts';
import type { RootHash } from './root-hash.ts';

/** A block of the tree: its level (0 is next to the data) and its index in that level. */
export interface TreeBlock {
  readonly level: number;
  readonly index: number;
}

/**
 * Builds the tree above the digests of the data blocks.
 * @param leaves `geometry.dataBlocks` concatenated digests.
 */
export function buildTree(geometry: Geometry, leaves: Uint8Array): { tree: Buffer; root: RootHash } {
  const tree = Buffer.alloc(geometry.treeBlocks * blockSize);
  let digests: Uint8Array = leaves;
  for (const level of geometry.levels) {
    tree.set(digests, level.firstBlock * blockSize);
    digests = digestBlocks(bytesOf(tree, level));
  }
  return { tree, root: Buffer.from(digests).toString('hex') as RootHash };
}

/**
 * Finds the first block of a stored tree, from the root downward, whose digest differs from the one
 * in its parent.
 */
export function findBadTreeBlock(geometry: Geometry, tree: Buffer, root: RootHash): TreeBlock | undefined {
  let expected: Uint8Array = Buffer.from(root, 'hex');
  for (const [index, level] of [...geometry.levels.entries()].reverse()) {
    const bytes = bytesOf(tree, level);
    const bad = findDifference(digestBlocks(bytes), expected);
    if (bad !== undefined) return { level: index, index: bad };
    expected = bytes;
  }
  return undefined;
}

/**
 * Returns the digests of the data blocks from a verified tree. For an image of one block this is
 * the root hash.
 */
export function leavesOf(geometry: Geometry, tree: Buffer, root: RootHash): Uint8Array {
  const leafLevel = geometry.levels[0];
  const leaves = leafLevel === undefined ? Buffer.from(root, 'hex') : bytesOf(tree, leafLevel);
  return leaves.subarray(0, geometry.dataBlocks * digestSize);
}

/**
 * Returns the index of the first of `digests` that differs from `expected`, which may be longer.
 */
export function findDifference(digests: Uint8Array, expected: Uint8Array): number | undefined {
  if (Buffer.compare(digests, expected.subarray(0, digests.length)) === 0) return undefined;
  return Math.floor(digests.findIndex((byte, at) => byte !== expected[at]) / digestSize);
}

function bytesOf(tree: Buffer, level: Level): Buffer {
  return tree.subarray(level.firstBlock * blockSize, (level.firstBlock + level.blocks) * blockSize);
}

/**
 * Returns the concatenated SHA-256 digests of whole blocks. They are unsalted: equal blocks have
 * equal digests in every release, so that two trees show which blocks two releases share.
 */
export function digestBlocks(blocks: Uint8Array): Buffer {
  const digests = Buffer.allocUnsafe((blocks.length / blockSize) * digestSize);
  for (let start = 0, end = 0; start < blocks.length; start += blockSize, end += digestSize) {
    const block = blocks.subarray(start, start + blockSize);
    // 'binary' (Latin-1) strings are a fifth faster than Buffers: nothing is allocated outside the heap
    digests.write(hash('sha256', block, 'binary'), end, digestSize, 'binary');
  }
  return digests;
}
