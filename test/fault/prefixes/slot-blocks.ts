import { hash } from 'node:crypto';
import type { Range } from '../../../src/disk/image.ts';
import { blockSize } from '../../../src/verity/geometry.ts';

/** What a block holds, in short. */
export type Digest = string;

const noContent = Buffer.alloc(blockSize);
const zeroDigest: Digest = '0';

export function digestOf(block: Buffer): Digest {
  return block.equals(noContent) ? zeroDigest : hash('sha256', block, 'base64').slice(0, 16);
}

/** The blocks that a release wants in a slot; undefined: it does not care. */
export type Wanted = readonly (Digest | undefined)[];

/** How far a slot is from a release. */
interface Release {
  readonly wanted: Wanted;
  /** Blocks of what is flushed that are wrong. */
  wrong: number;
  /** Blocks into which something wrong was written since the last flush, whatever came after it. */
  readonly mayBeWrong: Set<number>;
}

/**
 * What a slot may hold after a cut. Unflushed writes may all be there, or none, or any of them in any order: a block holds what
 * was last flushed or anything that was written to it since. A slot is whole if each of its blocks is right whichever it is, so
 * that each of the many outcomes is looked at by looking at each block.
 */
export class SlotBlocks {
  readonly #parts: readonly Range[];
  readonly #durable: Digest[];
  readonly #releases: readonly Release[];
  /** What each block that was written since the last flush holds at last. */
  readonly #unflushed = new Map<number, Digest>();

  /** @param durable of each block, the parts one behind the other. */
  constructor(parts: readonly Range[], durable: readonly Digest[], releases: readonly Wanted[]) {
    this.#parts = parts;
    this.#durable = [...durable];
    this.#releases = releases.map((wanted) => ({
      wanted,
      wrong: durable.filter((digest, block) => isWrong(digest, wanted[block])).length,
      mayBeWrong: new Set(),
    }));
  }

  /** @returns whether any of it is the slot's. */
  write(offset: number, data: Buffer): boolean {
    let isOurs = false;
    const end = offset + data.length;
    for (let at = offset - (offset % blockSize); at < end; at += blockSize) {
      const block = this.#blockAt(at);
      if (block === undefined) continue;
      isOurs = true;
      const isWholeBlock = at >= offset && at + blockSize <= end;
      // a part of a block makes something of it that no release has
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

  /** Whether the slot holds a whole release after a cut, whatever the cut left of what is not flushed. */
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
