import type { Slot } from '../disk/layout.ts';
import { readBootState } from '../firmware/boot.ts';
import { readIntactStore } from '../firmware/saved-store.ts';
import { otherSlot, type SlotsSeen } from '../firmware/slots.ts';
import { askRunning } from '../guest/running.ts';
import { waitUntilReady } from '../lifecycle/readiness.ts';
import type { StoredRelease } from '../release/store.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';
import type { RootHash } from '../verity/root-hash.ts';
import type { UpdateContext } from './context.ts';
import type { Observed } from './plan.ts';

/** The slots of a machine, and the root hash of the running one. */
export interface Running extends SlotsSeen {
  readonly rootHash: RootHash | undefined;
}

/**
 * Reads the UEFI variables and asks the guest which slot runs; waits for a guest that does not answer yet.
 * @throws HoldfastError those of `waitUntilReady`, `askRunning` and `readIntactStore`.
 */
export async function observeSlots({ machine, guest, progress, signal }: UpdateContext): Promise<Running> {
  const power = await powerState(machine);
  const off = isOff(power);
  if (!off && power.state !== 'running') await waitUntilReady(machine, progress, signal);
  const seen = off ? undefined : await askRunning(guest);
  const { order, next } = readBootState((await readIntactStore(machine.paths.variables)).store);
  return { order, ...(next && { next }), running: seen?.slot, rootHash: seen?.rootHash };
}

/**
 * Observes as `observeSlots` does, and whether either slot holds the wanted release.
 * @param holds returns whether a slot holds it, every byte verified.
 */
export async function observe(
  update: UpdateContext,
  target: StoredRelease,
  holds: (slot: Slot) => Promise<boolean>,
): Promise<Running & Pick<Observed, 'runsTarget' | 'holdsTarget'>> {
  const seen = await observeSlots(update);
  const { running, rootHash } = seen;
  if (running === undefined) return { ...seen, runsTarget: false, holdsTarget: false };
  // two releases can have one root and differ in their boot images
  const runsTarget = rootHash === target.manifest.root.rootHash && (await holds(running));
  return { ...seen, runsTarget, holdsTarget: !runsTarget && (await holds(otherSlot(running))) };
}
