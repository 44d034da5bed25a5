import { blockSize } from '../verity/geometry.ts';

/**
 * The large files of a release, seen as one row of 4 KiB blocks: each file begins a block, and its last block is filled up
 * with zeros. The verity tree behind a root image is not among them: it follows from the image.
 */
export interface ContentFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** A file and where it lies in the row. */
export interface PlacedFile extends ContentFile {
  readonly firstBlock: number;
  readonly blocks: number;
}

/** Places files in the row, in their order. */
export function placeFiles(files: readonly ContentFile[]): readonly PlacedFile[] {
  let firstBlock = 0;
  return files.map(({ name, size }) => {
    const placed = { name, size, firstBlock, blocks: Math.ceil(size / blockSize) };
    firstBlock += placed.blocks;
    return placed;
  });
}

/** How many blocks the row has. */
export function countBlocks(files: readonly ContentFile[]): number {
  return files.reduce((sum, { size }) => sum + Math.ceil(size / blockSize), 0);
}
