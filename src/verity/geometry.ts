import { failure } from '../base/errors.ts';

/** Bytes of a data block and of a hash block: the page size, so that the kernel maps both without splitting. */
export const blockSize = 4096;
/** Bytes of a SHA-256 digest. */
export const digestSize = 32;

const digestsPerBlock = blockSize / digestSize;

/** One level of the tree. Level 0 holds the digests of the data blocks, level n + 1 those of level n's blocks. */
export interface Level {
  /** Where it starts, in blocks from the start of the tree. */
  readonly firstBlock: number;
  readonly blocks: number;
}

/** Where everything lies in an image: data blocks, one superblock block, tree blocks. */
export interface Geometry {
  readonly dataBlocks: number;
  /** Level 0 first. Empty for an image of one block: its root hash is the digest of that block. */
  readonly levels: readonly Level[];
  readonly treeBlocks: number;
  /** Bytes of data, and so the offset of the superblock. */
  readonly dataSize: number;
  /** Offset of the tree, in bytes. */
  readonly treeOffset: number;
  /** Bytes of the whole image. */
  readonly imageSize: number;
}

/**
 * Lays out the tree as the kernel reads it: a level at a time, the root's block first, each level filled up to a whole
 * block (Linux, admin-guide/device-mapper/verity, "On-disk format"; cryptsetup, lib/verity/verity_hash.c, `hash_levels`).
 * @param dataSize bytes of data.
 * @throws HoldfastError `verity.size` unless these are one or more whole blocks.
 */
export function layOut(dataSize: number): Geometry {
  const dataBlocks = dataSize / blockSize;
  if (!Number.isSafeInteger(dataBlocks) || dataBlocks < 1)
    throw failure('verity.size', `${dataSize} bytes of data cannot have a verity tree`, {
      why: `they are not one or more blocks of ${blockSize} bytes`,
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
