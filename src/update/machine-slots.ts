import type { FileHandle } from 'node:fs/promises';
import type { BlockDevice } from '../disk/block-device.ts';
import type { Slot } from '../disk/layout.ts';
import type { Machine } from '../machine/machine.ts';
import { slotProblem, withBase } from '../release/slot-content.ts';
import type { StoredRelease } from '../release/store.ts';
import { withDisk } from '../supervisor/client.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';

/** Opens a machine's disk, read-only if it is off, and the base image of a release while `work` runs. */
export function withDiskAndBase<T>(
  machine: Machine,
  release: StoredRelease,
  work: (disk: BlockDevice, base: FileHandle) => Promise<T>,
): Promise<T> {
  return withBase(release, async (base) => {
    const withBoth = (disk: BlockDevice) => work(disk, base);
    return isOff(await powerState(machine))
      ? hostHypervisor(machine.home).images.open(machine.paths.disk, 'read', withBoth)
      : withDisk(machine, withBoth);
  });
}

/** Reads every byte of a slot. Returns how it differs from the release; undefined when it holds it. */
export function problemInSlot(
  machine: Machine,
  slot: Slot,
  release: StoredRelease,
): Promise<string | undefined> {
  return withDiskAndBase(machine, release, (disk, base) => slotProblem(disk, slot, base, release.manifest));
}

/** Returns the first of these releases that a slot holds, every byte verified. */
export async function releaseIn(
  machine: Machine,
  slot: Slot,
  releases: readonly StoredRelease[],
): Promise<StoredRelease | undefined> {
  for (const release of releases) {
    if ((await problemInSlot(machine, slot, release)) === undefined) return release;
  }
  return undefined;
}
