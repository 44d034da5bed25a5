import { rename, rm } from 'node:fs/promises';
import { exists, syncDirectory } from '../base/files.ts';
import { takeLock } from '../base/lock.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { releaseUnused } from '../machine/unused-releases.ts';
import { withReleaseStore } from '../release/store.ts';
import { killMachine } from '../supervisor/power.ts';
import { disableAutostart, hostServiceManager } from '../supervisor/systemd/autostart.ts';

/**
 * Removes a machine: its processes at once, its systemd unit, its directory with the keys and the disk, its lock, and the
 * release if no other machine runs from it.
 * @returns false when there was no such machine.
 * @throws HoldfastError `lock.held`, and what keeps its processes or its unit from being removed.
 */
export async function removeMachine(layout: HomeLayout, name: MachineName): Promise<boolean> {
  const { directory, draft, lock: path } = machineLayout(layout, name);
  if (!(await exists(layout.machines))) return false;
  const lock = await takeLock(path, 'remove');
  try {
    const isThere = await exists(directory);
    if (isThere) {
      await killMachine(layout, name);
      await disableAutostart(layout, name, hostServiceManager());
    }
    await withReleaseStore(layout, `removal of ${name}`, async () => {
      await rm(draft, { recursive: true, force: true });
      if (isThere) await rename(directory, draft); // gone whole, even if we are cut off
      await syncDirectory(layout.machines);
      await releaseUnused(layout);
      await rm(draft, { recursive: true, force: true });
    });
    return isThere;
  } finally {
    await lock.release({ unlink: true });
  }
}
