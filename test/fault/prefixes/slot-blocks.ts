import { hash } from 'node:crypto';
import type { Range } from '../../../src/disk/image.ts';
import { blockSize } from '../../../src/verity/geometry.ts';

/** A short digest of a block. */
export type Digest = string;

const noContent = Buffer.alloc(blockSize);
const zeroDigest: Digest = '0';

export function digestOf(block: Buffer): Digest {
  return block.equals(noContent) ? zeroDigest : hash('sha256', block, 'base64').slice(0, 16);
}

/** The blocks that a release requires in a slot; undefined if any content is valid. */
export type Wanted = readonly (Digest | undefined)[];

/** The differences between a slot and a release. */
interface Release {
  readonly wanted: Wanted;
  /** Wrong blocks of the flushed content. */
  wrong: number;
  /** Blocks with a wrong write since the last flush, even if a later write corrected it. */
  readonly mayBeWrong: Set<number>;
}

/**
 * The possible content of a slot after an interruption. Any subset of the unflushed writes can be on disk, in any order: a block
 * holds its last flushed content or any later write. A slot is complete if each block is valid in every case, so checking each
 * block covers all outcomes.
 */
export class SlotBlocks {
  readonly #parts: readonly Range[];
  readonly #durable: Digest[];
  readonly #releases: readonly Release[];
  /** The latest content of each block that was written since the last flush. */
  readonly #unflushed = new Map<number, Digest>();

  /** @param durable flushed content of each block, in order. */
  constructor(parts: readonly Range[], durable: readonly Digest[], releases: readonly Wanted[]) {
    this.#parts = parts;
    this.#durable = [...durable];
    this.#releases = releases.map((wanted) => ({
      wanted,
      wrong: durable.filter((digest, block) => isWrong(digest, wanted[block])).length,
      mayBeWrong: new Set(),
    }));
  }

  /** @returns whether any of it is in the slot. */
  write(offset: number, data: Buffer): boolean {
    let isOurs = false;
    const end = offset + data.length;
    for (let at = offset - (offset % blockSize); at < end; at += blockSize) {
      const block = this.#blockAt(at);
      if (block === undefined) continue;
      isOurs = true;
      const isWholeBlock = at >= offset && at + blockSize <= end;
      // a partial write makes a block that no release has
      const digest = isWholeBlock ? digestOf(data.subarray(at - offset, at - offset + blockSize)) : 'torn';
      this.#unflushed.set(block, digest);
      for (const { wanted, mayBeWrong } of this.#releases)
        if (isWrong(digest, wanted[block])) mayBeWrong.add(block);
    }
    return isOurs;
  }

  flush(): void {
    for (const [block, after] of this.#unflushed) {
      const before = this.#durable[block];
      if (before === undefined) continue;
      for (const release of this.#releases)
        release.wrong +=
          Number(isWrong(after, release.wanted[block])) - Number(isWrong(before, release.wanted[block]));
      this.#durable[block] = after;
    }
    this.#unflushed.clear();
    for (const { mayBeWrong } of this.#releases) mayBeWrong.clear();
  }

  /** Returns whether the slot holds a complete release after an interruption, whatever subset of the unflushed writes is on disk. */
  isWhole(): boolean {
    return this.#releases.some(({ wrong, mayBeWrong }) => wrong === 0 && mayBeWrong.size === 0);
  }

  #blockAt(position: number): number | undefined {
    let before = 0;
    for (const { offset, length } of this.#parts) {
      if (position >= offset && position < offset + length) return before + (position - offset) / blockSize;
      before += length / blockSize;
    }
    return undefined;
  }
}

function isWrong(digest: Digest, wanted: Digest | undefined): boolean {
  return wanted !== undefined && digest !== wanted;
}
