import { blockSize, digestSize } from '../verity/geometry.ts';
import { digestBlocks } from '../verity/tree.ts';
import { type BlockPrefix, prefixAt, prefixesOf } from './block-index.ts';

/**
 * Granularity of copy sources. The host's old content is one row of 512-byte units, because
 * sections of boot images are aligned to 512 bytes (PE format, FileAlignment) and move by multiples
 * of them.
 */
export const unitSize = 512;
export const unitsPerBlock = blockSize / unitSize;

/** An offset in the row of old content, in units. */
export type Location = number & { readonly __brand: 'Location' };

/** The blocks that the host has, by the first bytes of their digests. */
export class OldBlocks {
  readonly #locations = new Map<BlockPrefix, Location>();

  /** Returns the location of a block with this prefix, or undefined. */
  find(prefix: BlockPrefix): Location | undefined {
    return this.#locations.get(prefix);
  }

  /**
   * Adds the blocks of an image whose digests are known.
   * @param start location of its first block.
   */
  addDigests(digests: Uint8Array, start: Location): void {
    const prefixes = prefixesOf(digests);
    for (let block = 0; block < digests.length / digestSize; block += 1)
      this.#add(prefixAt(prefixes, block), (start + block * unitsPerBlock) as Location);
  }

  /** Adds the block at every unit of a file. @param bytes whole units. */
  addUnaligned(bytes: Uint8Array, start: Location): void {
    for (let offset = 0; offset + blockSize <= bytes.length; offset += unitSize) {
      const digest = digestBlocks(bytes.subarray(offset, offset + blockSize));
      this.#add(prefixAt(prefixesOf(digest), 0), (start + offset / unitSize) as Location);
    }
  }

  #add(prefix: BlockPrefix, location: Location): void {
    if (!this.#locations.has(prefix)) this.#locations.set(prefix, location);
  }
}
