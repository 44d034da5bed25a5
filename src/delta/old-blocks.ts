import { blockSize, digestSize } from '../verity/geometry.ts';
import { digestBlocks } from '../verity/tree.ts';
import { type BlockPrefix, prefixAt, prefixesOf } from './block-index.ts';

/**
 * Where a block can be copied from: what the host has is one row of 512-byte units, as sections of boot images begin at
 * multiples of so many bytes (PE format, FileAlignment) and move by them.
 */
export const unitSize = 512;
export const unitsPerBlock = blockSize / unitSize;

/** A place in the row of what the host has, in units. */
export type Location = number & { readonly __brand: 'Location' };

/** The blocks that a host has, by the first bytes of their digests. */
export class OldBlocks {
  readonly #locations = new Map<BlockPrefix, Location>();

  /** Where a block with this prefix is; undefined when there is none. */
  find(prefix: BlockPrefix): Location | undefined {
    return this.#locations.get(prefix);
  }

  /** Adds the blocks of an image whose digests are known. @param start where its first block lies. */
  addDigests(digests: Uint8Array, start: Location): void {
    const prefixes = prefixesOf(digests);
    for (let block = 0; block < digests.length / digestSize; block += 1)
      this.#add(prefixAt(prefixes, block), (start + block * unitsPerBlock) as Location);
  }

  /** Adds what lies at any unit of a file. @param bytes whole units. */
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
