import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import type { Slot } from '../../../src/disk/layout.ts';
import { readBootState } from '../../../src/firmware/boot.ts';
import { readIntactStore } from '../../../src/firmware/saved-store.ts';
import { withImage } from '../../../src/hypervisor/qemu/image-device.ts';
import { homeAt, machinePaths, type parseMachineName } from '../../../src/machine/paths.ts';
import { slotProblem } from '../../../src/release/slot-content.ts';
import type { House } from './house.ts';
import type { KnownRelease } from './known-release.ts';

/** Directories of user data: on Data, on Log, and in each overlay. */
const places = ['/var', '/logs', '/etc', '/home/holdfast', '/root'] as const;

/** The boot order and next boot of a machine. */
export interface Committed {
  readonly slot: Slot;
  readonly release: string;
}

/** The machine that is interrupted. */
export class Subject {
  readonly name: ReturnType<typeof parseMachineName>;
  readonly files: ReturnType<typeof machinePaths>;
  readonly #house: House;
  readonly #releases: readonly KnownRelease[];
  #data = '';

  constructor(house: House, name: ReturnType<typeof parseMachineName>, releases: readonly KnownRelease[]) {
    this.name = name;
    this.files = machinePaths(homeAt(house.home), name);
    this.#house = house;
    this.#releases = releases;
  }

  /** Runs `holdfast` on the machine: see `House.holdfast`. */
  holdfast(words: readonly string[], accept: readonly number[] = [0]): Promise<string> {
    const [verb = '', ...rest] = words;
    return this.#house.holdfast([verb, '--machine', this.name, ...rest], accept);
  }

  /** Adds user data, new files and one that grows, which must stay unchanged from now on. */
  async addData(mark: string): Promise<void> {
    const lines = places.map(
      (place) =>
        `mkdir -p ${place}/precious; cd ${place}/precious; head -c 300000 /dev/urandom >${mark}; ` +
        `echo ${mark} >>all; chmod 640 ${mark}; ln -s ${mark} to-${mark}`,
    );
    await this.#asRoot(`${lines.join('\n')}\nsync`);
    this.#data = await this.#readData();
  }

  /** @throws AssertionError when a byte, mode, owner or time of the user data has changed. */
  async checkData(): Promise<void> {
    assert.equal(await this.#readData(), this.#data, "the user's data are as they were");
  }

  /**
   * Reads variables and disk, whether the machine runs or not.
   * @throws AssertionError unless exactly one release is committed and complete, and no bootable slot is torn.
   */
  async inspect(): Promise<Committed> {
    const { order, next } = readBootState((await readIntactStore(this.files.variables)).store);
    const [slot] = order;
    assert.ok(slot !== undefined, 'a slot is committed');
    assert.equal(new Set(order).size, order.length, `BootOrder is ${order}`);
    const found = new Map<Slot, string | undefined>();
    for (const each of new Set([...order, ...(next ? [next] : [])]))
      found.set(each, await this.#releaseIn(each));
    for (const [each, release] of found)
      assert.ok(
        release,
        `slot ${each} may boot and holds a whole release (BootOrder ${order}, BootNext ${next})`,
      );
    return { slot, release: found.get(slot) ?? '' };
  }

  /** Returns the release that the guest runs. */
  async running(): Promise<Slot | undefined> {
    return JSON.parse(await this.holdfast(['status', '--json'])).slot;
  }

  #releaseIn(slot: Slot): Promise<string | undefined> {
    return withImage(this.files.disk, 'read', async (disk) => {
      for (const { name, baseImage, manifest } of this.#releases) {
        const base = await open(baseImage, 'r');
        try {
          if ((await slotProblem(disk, slot, base, manifest)) === undefined) return name;
        } finally {
          await base.close();
        }
      }
      return undefined;
    });
  }

  #readData(): Promise<string> {
    const list = places.map((place) => `${place}/precious`).join(' ');
    return this.#asRoot(
      `find ${list} -printf '%p %y %m %U %G %s %T@ %l\\n' | sort; find ${list} -type f -print0 | sort -z | xargs -0 sha256sum`,
    );
  }

  #asRoot(lines: string): Promise<string> {
    return this.holdfast(['exec', '--', 'sudo', 'sh', '-euc', lines]);
  }
}
