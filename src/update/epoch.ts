import { withLock } from '../base/lock.ts';
import type { Slot } from '../disk/layout.ts';
import { slotPartition } from '../disk/layout.ts';
import { otherSlot } from '../firmware/slots.ts';
import { readConfiguration, writeConfiguration } from '../machine/configuration.ts';
import { machineLayout } from '../machine/paths.ts';
import { withDisk } from '../supervisor/client.ts';
import { keptReleases, releaseIn } from './kept-releases.ts';
import type { Machine } from './observe.ts';

/** What is overwritten of a boot partition: its file system's first blocks, without which nobody finds the boot image. */
const erased = 64 * 1024;

/** The latest epoch that a machine has committed, by its deployment or by an update. */
export async function machineEpoch({ layout, name }: Machine): Promise<number> {
  return (await readConfiguration(layout, name)).epoch;
}

/** Notes the epoch of what is committed: from now on nothing of an earlier one is brought to the machine. */
export async function reachEpoch({ layout, name }: Machine, epoch: number): Promise<void> {
  const files = machineLayout(layout, name);
  await withLock(files.lock, 'update', async () => {
    const configuration = await readConfiguration(layout, name);
    if (configuration.epoch < epoch)
      await writeConfiguration(files.configuration, { ...configuration, epoch });
  });
}

/** Whether a slot holds a release of an epoch that the machine has left. */
export async function holdsPast(machine: Machine, slot: Slot): Promise<boolean> {
  const reached = await machineEpoch(machine);
  const past = (await keptReleases(machine)).filter(({ manifest }) => manifest.epoch < reached);
  return (await releaseIn(machine, slot, past)) !== undefined;
}

/** Makes the slot that does not run unfit to be started: neither a boot entry nor the fallback loader finds its boot image. */
export async function expireOther({ layout, name }: Machine, running: Slot): Promise<void> {
  const { offset } = slotPartition(otherSlot(running), 'boot');
  await withDisk(machineLayout(layout, name).supervisorSocket, async (disk) => {
    await disk.write(offset, Buffer.alloc(erased));
    await disk.flush();
  });
}
