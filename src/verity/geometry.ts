import { failure } from '../base/errors.ts';

/**
 * Bytes of a data block and of a hash block: the page size, so that the kernel maps both without
 * splitting.
 */
export const blockSize = 4096;
/** Bytes of a SHA-256 digest. */
export const digestSize = 32;

const digestsPerBlock = blockSize / digestSize;

/**
 * One level of the tree. Level 0 holds the digests of the data blocks, level n + 1 the digests of
 * the blocks of level n.
 */
export interface Level {
  /** Offset in blocks from the start of the tree. */
  readonly firstBlock: number;
  readonly blocks: number;
}

/** The layout of an image: data blocks, one block with the superblock, tree blocks. */
export interface Geometry {
  readonly dataBlocks: number;
  /**
   * Level 0 first. Empty for an image of one block, whose root hash is the digest of that block.
   */
  readonly levels: readonly Level[];
  readonly treeBlocks: number;
  /** Size of the data in bytes, which is also the offset of the superblock. */
  readonly dataSize: number;
  /** Offset of the tree, in bytes. */
  readonly treeOffset: number;
  /** Bytes of the whole image. */
  readonly imageSize: number;
}

/**
 * Computes the layout of the tree as the kernel reads it: one level after the other, the block of
 * the root first, each level padded to a whole block (Linux, admin-guide/device-mapper/verity,
 * "On-disk format"; cryptsetup, lib/verity/verity_hash.c, `hash_levels`).
 * @param dataSize in bytes.
 * @throws HoldfastError `verity.size` unless it is one or more whole blocks.
 */
export function layOut(dataSize: number): Geometry {
  const dataBlocks = dataSize / blockSize;
  if (!Number.isSafeInteger(dataBlocks) || dataBlocks < 1)
    throw failure('verity.size', `cannot build a verity tree for ${dataSize} bytes of data`, {
      why: `the size is not one or more blocks of ${blockSize} bytes`,
    });
  const sizes: number[] = [];
  for (let blocks = dataBlocks; blocks > 1; ) {
    blocks = Math.ceil(blocks / digestsPerBlock);
    sizes.push(blocks);
  }
  const treeBlocks = sizes.reduce((sum, blocks) => sum + blocks, 0);
  let end = treeBlocks;
  const levels = sizes.map((blocks) => {
    end -= blocks;
    return { firstBlock: end, blocks };
  });
  const treeOffset = dataSize + blockSize;
  return {
    dataBlocks,
    levels,
    treeBlocks,
    dataSize,
    treeOffset,
    imageSize: treeOffset + treeBlocks * blockSize,
  };
}
