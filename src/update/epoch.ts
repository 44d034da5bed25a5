import { type Slot, slotPartition } from '../disk/layout.ts';
import { otherSlot } from '../firmware/slots.ts';
import type { Machine } from '../machine/machine.ts';
import { withDisk } from '../supervisor/client.ts';
import { keptReleases } from './kept-releases.ts';
import { releaseIn } from './machine-slots.ts';

/** How much of a boot partition is erased: the first blocks of its file system, without which its boot image is not found. */
const erased = 64 * 1024;

/** Records the epoch of the committed release: from then on, no release of an earlier epoch is installed on the machine. */
export async function reachEpoch(machine: Machine, epoch: number): Promise<void> {
  if ((await machine.configuration()).epoch >= epoch) return;
  await machine.update('update', (before) => (before.epoch < epoch ? { ...before, epoch } : before));
}

/** Returns whether a slot holds a release of an epoch before that of the machine. */
export async function holdsPast(machine: Machine, slot: Slot): Promise<boolean> {
  const { epoch } = await machine.configuration();
  const past = (await keptReleases(machine)).filter(({ manifest }) => manifest.epoch < epoch);
  return (await releaseIn(machine, slot, past)) !== undefined;
}

/** Makes the inactive slot unbootable: neither a boot entry nor the fallback loader finds its boot image. */
export async function expireOther(machine: Machine, running: Slot): Promise<void> {
  const { offset } = slotPartition(otherSlot(running), 'boot');
  await withDisk(machine, async (disk) => {
    await disk.write(offset, Buffer.alloc(erased));
    await disk.flush();
  });
}
