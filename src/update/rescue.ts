import { failure } from '../base/errors.ts';
import { type Slot, ukiPaths } from '../disk/layout.ts';
import { bootEntry, readBootState, setBootEntry, setBootNext, setBootOrder } from '../firmware/boot.ts';
import { readIntactStore, saveVariableStore } from '../firmware/saved-store.ts';
import { otherSlot } from '../firmware/slots.ts';
import { writeVariableStore } from '../firmware/store-file.ts';
import type { Machine } from '../machine/machine.ts';
import { slotProblem, withBase, writeSlot } from '../release/slot-content.ts';
import type { StoredRelease } from '../release/store.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';
import type { Advanced } from './advance.ts';
import type { UpdateContext } from './context.ts';
import { keptReleases } from './kept-releases.ts';

/*
 * Recovers a machine whose slots were destroyed. While it is off, the host owns its disk and its variables. The steps are those
 * of any update, except that the guest is not running.
 */

/**
 * Returns whether a machine is off and has no bootable slot left: of the slots in the boot order, or of both
 * when it is empty, none holds a whole release that this host knows.
 * @throws HoldfastError `firmware.variables`, `disk.device`.
 */
export async function isLost(machine: Machine): Promise<boolean> {
  const { disk, variables } = machine.paths;
  if (!isOff(await powerState(machine))) return false;
  const { order, next } = readBootState((await readIntactStore(variables)).store);
  const slots: readonly Slot[] = order.length > 0 ? order : ['A', 'B'];
  const releases = await keptReleases(machine);
  return hostHypervisor(machine.home).images.open(disk, 'read', async (device) => {
    for (const slot of new Set([...(next ? [next] : []), ...slots]))
      for (const release of releases)
        if (!(await withBase(release, (base) => slotProblem(device, slot, base, release.manifest))))
          return false;
    return true;
  });
}

/**
 * Writes a release into the slot of a lost machine that is not committed, and makes the next start a trial of it. Log, Data and
 * the rest of the committed slot stay unchanged.
 * @throws HoldfastError `lock.held`, `disk.device`; `writeSlot`'s.
 */
export function rescue(
  { machine, progress, signal }: UpdateContext,
  target: StoredRelease,
): Promise<Omit<Advanced, 'runs'>> {
  const { disk, variables } = machine.paths;
  return machine.locked('update', async () => {
    if (!isOff(await powerState(machine))) {
      throw failure('machine.running', `the machine '${machine.name}' was started meanwhile`, {
        why: 'its slots can only be rewritten while it is off',
        next: 'stop it, and run the update again',
      });
    }
    const { verity } = await machine.configuration();
    const { store } = await readIntactStore(variables);
    const [committed = 'A'] = readBootState(store).order;
    const slot = otherSlot(committed);
    const retired = setBootOrder(setBootNext(store, undefined), [committed]);
    await writeVariableStore(variables, retired);
    await saveVariableStore(variables);
    const written = await progress.step('Writing the release', (step) =>
      hostHypervisor(machine.home).images.open(disk, 'write', (device) =>
        withBase(target, (base) => writeSlot(device, slot, base, step, signal)),
      ),
    );
    const entry = bootEntry(slot, ukiPaths[verity]);
    await writeVariableStore(variables, setBootNext(setBootEntry(retired, slot, entry), slot));
    return { steps: ['retire', 'stage', 'finalize'], written };
  });
}
