import { blockSize } from '../verity/geometry.ts';

/**
 * A large file of a release. The files form one row of 4 KiB blocks: each starts a block, and its
 * last block is padded with zeros. The verity tree of a root image is not included, because it is
 * computed from the image.
 */
export interface ContentFile {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
}

/** A file and its position in the row. */
export interface PlacedFile extends ContentFile {
  readonly firstBlock: number;
  readonly blocks: number;
}

/** Assigns positions in the row to files, in their order. */
export function placeFiles(files: readonly ContentFile[]): readonly PlacedFile[] {
  let firstBlock = 0;
  return files.map(({ name, size }) => {
    const placed = { name, size, firstBlock, blocks: Math.ceil(size / blockSize) };
    firstBlock += placed.blocks;
    return placed;
  });
}

/** Counts the blocks of the row. */
export function countBlocks(files: readonly ContentFile[]): number {
  return files.reduce((sum, { size }) => sum + Math.ceil(size / blockSize), 0);
}
