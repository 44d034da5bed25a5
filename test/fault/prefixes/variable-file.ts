import { HoldfastError } from '../../../src/base/errors.ts';
import { type BootState, readBootState } from '../../../src/firmware/boot.ts';
import { parseVariableStore } from '../../../src/firmware/store.ts';
import type { Random } from '../cuts/random.ts';

/** What a host writes to its disk at once. */
const pageSize = 4096;
/** So many dirty pages, and all subsets of them are looked at; with more, so many random ones. */
const exhaustiveLimit = 5;
const samples = 24;

/** What the variable store says after a cut, or why it cannot be read. */
export type Said = Pick<BootState, 'order' | 'next'> | string;

/**
 * The variable store's file. When QEMU is killed, all that it has written is there. When the host loses power, each page that was
 * not synced is there as it was after any write since.
 */
export class VariableFile {
  #current: Buffer;
  #durable: Buffer;
  readonly #pages = new Map<number, Buffer[]>();
  readonly #random: Random;

  constructor(image: Buffer, random: Random) {
    this.#current = Buffer.from(image);
    this.#durable = Buffer.from(image);
    this.#random = random;
  }

  /** @returns what the file may say after a cut, in as many ways as were looked at. */
  write(offset: number, data: Buffer): Said[] {
    data.copy(this.#current, offset);
    const touched = new Set<number>();
    for (let page = Math.floor(offset / pageSize); page * pageSize < offset + data.length; page += 1)
      touched.add(page);
    for (const page of touched) {
      const versions = this.#pages.get(page) ?? [];
      versions.push(Buffer.from(this.#current.subarray(page * pageSize, (page + 1) * pageSize)));
      this.#pages.set(page, versions);
    }
    return [this.#current, ...this.#afterPowerCut()].map(read);
  }

  /** The host replaced the file, whole or not at all. */
  replace(image: Buffer): Said {
    this.#current = Buffer.from(image);
    this.sync();
    return read(image);
  }

  /** @returns what the file says, whatever comes. */
  sync(): Said {
    this.#durable = Buffer.from(this.#current);
    this.#pages.clear();
    return read(this.#current);
  }

  *#afterPowerCut(): Generator<Buffer> {
    const pages = [...this.#pages.keys()];
    const isExhaustive = pages.length <= exhaustiveLimit;
    const count = isExhaustive ? 2 ** pages.length : samples;
    for (let subset = 0; subset < count; subset += 1) {
      yield this.#with((page, versions) => {
        const isThere = isExhaustive
          ? (subset & (1 << pages.indexOf(page))) !== 0
          : this.#random.below(2) === 1;
        return isThere ? versions.at(-1) : undefined;
      });
    }
    // and each page as it was in between
    for (let sample = 0; sample < 4; sample += 1)
      yield this.#with((_page, versions) => versions[this.#random.below(versions.length + 1)]);
  }

  #with(choose: (page: number, versions: readonly Buffer[]) => Buffer | undefined): Buffer {
    const image = Buffer.from(this.#durable);
    for (const [page, versions] of this.#pages) choose(page, versions)?.copy(image, page * pageSize);
    return image;
  }
}

function read(image: Buffer): Said {
  try {
    const { order, next } = readBootState(parseVariableStore(image));
    return { order, ...(next && { next }) };
  } catch (error) {
    if (error instanceof HoldfastError) return error.why ?? error.message;
    throw error;
  }
}
