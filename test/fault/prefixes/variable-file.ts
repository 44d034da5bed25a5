import { describe, HoldfastError } from '../../../src/base/errors.ts';
import { type FirmwareBootState, readBootState } from '../../../src/firmware/boot.ts';
import { intactStore } from '../../../src/firmware/saved-store.ts';
import { parseVariableStore, serializeVariableStore } from '../../../src/firmware/store.ts';
import type { Random } from '../cuts/random.ts';

/** Bytes that a host writes to its disk atomically. */
const pageSize = 4096;
/** Up to so many dirty pages, all subsets are checked; above, so many random ones. */
const exhaustiveLimit = 5;
const samples = 24;
/** Number of intermediate versions of each page. */
const samplesInBetween = 4;

/** The variables from which a machine starts after an interruption, or the reason why it does not. */
export type Said = (Pick<FirmwareBootState, 'order' | 'next'> & { readonly isSaved: boolean }) | string;

/** The versions of an unsynced page: the synced one, and one for each later write that changed it. */
type Versions = Buffer[];

/** The version on disk of each dirty page, in the order in which the pages became dirty. */
type Outcome = readonly number[];

/**
 * The file of the variable store. When QEMU is killed, all its writes are in the file. When the host loses power, each unsynced
 * page can have any version since the last sync. If the result cannot be read, the saved copy is used: `intactStore`.
 */
export class VariableFile {
  readonly #current: Buffer;
  /** The file after an interruption, updated from one outcome to the next by the pages that differ. */
  readonly #left: Buffer;
  readonly #pages = new Map<number, Versions>();
  #leftVersions: number[] = [];
  #kept: Buffer | undefined;
  /** Outcomes since the last sync that were checked. */
  readonly #seen = new Set<string>();
  readonly #random: Random;

  constructor(image: Buffer, random: Random) {
    this.#current = Buffer.from(image);
    this.#left = Buffer.from(image);
    this.#random = random;
    this.#keep();
  }

  /**
   * @returns the variables after each outcome of an interruption, each outcome once between two syncs. The first is the one if
   *   only QEMU is killed.
   */
  write(offset: number, data: Buffer): Said[] {
    const first = Math.floor(offset / pageSize);
    const last = Math.floor((offset + data.length - 1) / pageSize);
    for (let page = first; page <= last; page += 1)
      if (!this.#pages.has(page)) this.#pages.set(page, [Buffer.from(this.#page(page))]);
    data.copy(this.#current, offset);
    for (let page = first; page <= last; page += 1) {
      const versions = this.#pages.get(page);
      const now = this.#page(page);
      if (versions?.at(-1)?.equals(now) === false) versions.push(Buffer.from(now));
    }
    const newest = [...this.#pages.values()].map((versions) => versions.length - 1);
    const said = [this.#read(newest)];
    for (const outcome of [newest, ...this.#afterPowerCut(newest)]) {
      const text = outcome.join().replace(/(,0)+$/, ''); // a page that became dirty later
      if (this.#seen.has(text)) continue;
      this.#seen.add(text);
      if (outcome !== newest) said.push(this.#read(outcome));
    }
    return said;
  }

  /** Replaces the file atomically, as the host does, and saves a copy. */
  replace(image: Buffer): Said {
    image.copy(this.#current);
    return this.sync();
  }

  /** Syncs the file, as the host does, and saves a copy. @returns the variables in every case. */
  sync(): Said {
    this.#current.copy(this.#left);
    this.#pages.clear();
    this.#leftVersions = [];
    this.#seen.clear();
    this.#keep();
    return saidBy(this.#current, this.#kept);
  }

  *#afterPowerCut(newest: Outcome): Generator<Outcome> {
    const isExhaustive = newest.length <= exhaustiveLimit;
    const count = isExhaustive ? 2 ** newest.length : samples;
    for (let subset = 0; subset < count; subset += 1)
      yield newest.map((version, index) => {
        const isThere = isExhaustive ? (subset & (1 << index)) !== 0 : this.#random.below(2) === 1;
        return isThere ? version : 0;
      });
    for (let sample = 0; sample < samplesInBetween; sample += 1)
      yield newest.map((version) => this.#random.below(version + 1));
  }

  #read(outcome: Outcome): Said {
    let index = 0;
    for (const [page, versions] of this.#pages) {
      const version = outcome[index] ?? 0;
      if (this.#leftVersions[index] !== version) versions[version]?.copy(this.#left, page * pageSize);
      this.#leftVersions[index] = version;
      index += 1;
    }
    return saidBy(this.#left, this.#kept);
  }

  #page(page: number): Buffer {
    return this.#current.subarray(page * pageSize, (page + 1) * pageSize);
  }

  /** Saves a copy as `saveVariableStore` does. */
  #keep(): void {
    this.#kept = serializeVariableStore(parseVariableStore(this.#current));
  }
}

function saidBy(image: Buffer, kept: Buffer | undefined): Said {
  try {
    const { store, isSaved } = intactStore(image, kept);
    const { order, next } = readBootState(store);
    return { isSaved, order, ...(next && { next }) };
  } catch (error) {
    if (error instanceof HoldfastError) return describe(error);
    throw error;
  }
}
