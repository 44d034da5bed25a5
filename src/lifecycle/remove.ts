import { rename, rm, stat } from 'node:fs/promises';
import { exists, syncDirectory } from '../base/files.ts';
import { takeLock } from '../base/lock.ts';
import { type Bytes, formatSize } from '../base/size.ts';
import type { Machine } from '../machine/machine.ts';
import { draftPaths } from '../machine/paths.ts';
import { releaseUnused } from '../machine/unused-releases.ts';
import { withReleaseStore } from '../release/store.ts';
import { killMachine, powerState } from '../supervisor/power.ts';
import { disableAutostart, hostServiceManager } from '../supervisor/systemd/autostart.ts';

/** Returns what a removal of the machine loses, in one sentence: also of a damaged machine, and of one whose state is unknown. */
export async function lossOf(machine: Machine): Promise<string> {
  const { state } = await powerState(machine).catch(() => ({ state: 'unknown' as const }));
  const { blocks } = await stat(machine.paths.disk).catch(() => ({ blocks: 0 }));
  const power = { running: ', which is running,', stopped: '' }[String(state)] ?? ` (state: ${state})`;
  const size = formatSize((blocks * 512) as Bytes);
  return `'${machine.name}'${power} loses its disk (${size} on this host) with all data in it, its keys and its settings for good.`;
}

/**
 * Removes a machine: ends its processes at once, removes its systemd unit, its directory with the keys and the disk, its lock,
 * and its releases unless other machines use them.
 * @returns false when there was no such machine.
 * @throws HoldfastError `lock.held`, and the failures to end its processes or to remove its unit.
 */
export async function removeMachine(machine: Machine): Promise<boolean> {
  const { home, name } = machine;
  const { directory, lock: path } = machine.paths;
  const draft = draftPaths(home, name).directory;
  if (!(await exists(home.machines))) return false;
  const lock = await takeLock(path, 'remove');
  try {
    const isThere = await exists(directory);
    if (isThere) {
      await killMachine(machine);
      await disableAutostart(machine, hostServiceManager());
    }
    await withReleaseStore(home, `removal of ${name}`, async () => {
      await rm(draft, { recursive: true, force: true });
      if (isThere) await rename(directory, draft); // one step: an interruption leaves all of the machine or none of it
      await syncDirectory(home.machines);
      await releaseUnused(home);
      await rm(draft, { recursive: true, force: true });
    });
    return isThere;
  } finally {
    await lock.release({ unlink: true });
  }
}
