import { failure } from '../base/errors.ts';
import { withLock } from '../base/lock.ts';
import { type Slot, ukiPaths } from '../disk/layout.ts';
import { bootEntry, readBootState, setBootEntry, setBootNext, setBootOrder } from '../firmware/boot.ts';
import { readSoundStore, saveVariableStore } from '../firmware/saved-store.ts';
import { otherSlot } from '../firmware/slots.ts';
import { writeVariableStore } from '../firmware/store-file.ts';
import { readConfiguration } from '../machine/configuration.ts';
import { machineLayout } from '../machine/paths.ts';
import type { StoredRelease } from '../release/store.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';
import type { Advanced } from './advance.ts';
import { keptReleases } from './kept-releases.ts';
import type { Machine } from './observe.ts';
import { slotProblem, withBase, writeSlot } from './slot-content.ts';

/*
 * The way back of a machine whose slots were destroyed: while it is off its disk and its variables are the host's. The steps are
 * those of any update; only that nothing runs.
 */

/**
 * Whether a machine is off and has no slot left that would come up: of those that the variables name, or of both when they
 * name none, none holds a whole release that this host knows.
 * @throws HoldfastError `firmware.variables`, `disk.device`.
 */
export async function isLost(machine: Machine): Promise<boolean> {
  const { disk, variables } = machineLayout(machine.layout, machine.name);
  if (!isOff(await powerState(machine.layout, machine.name))) return false;
  const { order, next } = readBootState((await readSoundStore(variables)).store);
  const slots: readonly Slot[] = order.length > 0 ? order : ['A', 'B'];
  const releases = await keptReleases(machine);
  return hostHypervisor(machine.layout).images.open(disk, 'read', async (device) => {
    for (const slot of new Set([...(next ? [next] : []), ...slots]))
      for (const release of releases)
        if (!(await withBase(release, (base) => slotProblem(device, slot, base, release.manifest))))
          return false;
    return true;
  });
}

/**
 * Writes a release into the slot of a lost machine that is not committed, and makes the next start a trial of it. Log, Data and
 * what is left of the committed slot stay as they are.
 * @throws HoldfastError `lock.held`, `disk.device`; `writeSlot`'s.
 */
export function rescue(machine: Machine, target: StoredRelease): Promise<Omit<Advanced, 'runs'>> {
  const { layout, name, progress, signal } = machine;
  const { lock, disk, variables } = machineLayout(layout, name);
  return withLock(lock, 'update', async () => {
    if (!isOff(await powerState(layout, name))) {
      throw failure('machine.running', `the machine '${name}' was started meanwhile`, {
        why: 'its slots can only be written anew while it is off',
        next: 'stop it, and run the update again',
      });
    }
    const { verity } = await readConfiguration(layout, name);
    const { store } = await readSoundStore(variables);
    const [committed = 'A'] = readBootState(store).order;
    const slot = otherSlot(committed);
    const retired = setBootOrder(setBootNext(store, undefined), [committed]);
    await writeVariableStore(variables, retired);
    await saveVariableStore(variables);
    const written = await progress.step('Writing the release', (step) =>
      hostHypervisor(layout).images.open(disk, 'write', (device) =>
        withBase(target, (base) => writeSlot(device, slot, base, step, signal)),
      ),
    );
    const entry = bootEntry(slot, ukiPaths[verity]);
    await writeVariableStore(variables, setBootNext(setBootEntry(retired, slot, entry), slot));
    return { steps: ['retire', 'stage', 'finalize'], written };
  });
}
