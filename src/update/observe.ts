import type { FileHandle } from 'node:fs/promises';
import type { Progress } from '../base/progress.ts';
import { runToEnd } from '../channel/run.ts';
import type { RunOptions, Session } from '../channel/session.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import type { Slot } from '../disk/layout.ts';
import { readBootState } from '../firmware/boot.ts';
import { readSoundStore } from '../firmware/saved-store.ts';
import { otherSlot, type SlotsSeen } from '../firmware/slots.ts';
import { askRunning } from '../guest/running.ts';
import { waitUntilReady } from '../lifecycle/readiness.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import type { StoredRelease } from '../release/store.ts';
import { withDisk } from '../supervisor/client.ts';
import { startIn } from '../supervisor/guest.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';
import type { RootHash } from '../verity/root-hash.ts';
import type { Observed } from './plan.ts';
import { slotProblem, withBase } from './slot-content.ts';

/** The machine that is updated. */
export interface Machine {
  readonly layout: HomeLayout;
  readonly name: MachineName;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What a machine says of its slots, and which root runs. */
export interface Running extends SlotsSeen {
  readonly rootHash: RootHash | undefined;
}

/** Commands in the guest, one at a time. */
export function guestOf({ layout, name, signal }: Machine): Pick<Session, 'run'> {
  const start = startIn(layout, name);
  return {
    run: (argv: readonly string[], options?: RunOptions) => runToEnd(start, argv, { ...options, signal }),
  };
}

/**
 * Looks at the variables and the guest; waits for one that does not answer yet.
 * @throws HoldfastError those of `waitUntilReady`, `askRunning` and `readSoundStore`.
 */
export async function observeSlots(machine: Machine): Promise<Running> {
  const { layout, name, progress, signal } = machine;
  const files = machineLayout(layout, name);
  const power = await powerState(layout, name);
  const off = isOff(power);
  if (!off && power.state !== 'running') await waitUntilReady(layout, name, progress, signal);
  const seen = off ? undefined : await askRunning(guestOf(machine));
  const { order, next } = readBootState((await readSoundStore(files.variables)).store);
  return { order, ...(next && { next }), running: seen?.slot, rootHash: seen?.rootHash };
}

/**
 * As `observeSlots`, and whether the release that is wanted is in either slot.
 * @param holds whether a slot holds it, every byte checked.
 */
export async function observe(
  machine: Machine,
  target: StoredRelease,
  holds: (slot: Slot) => Promise<boolean>,
): Promise<Running & Pick<Observed, 'runsTarget' | 'holdsTarget'>> {
  const seen = await observeSlots(machine);
  const { running, rootHash } = seen;
  if (running === undefined) return { ...seen, runsTarget: false, holdsTarget: false };
  // two releases can have one root and differ in their boot images
  const runsTarget = rootHash === target.manifest.root.rootHash && (await holds(running));
  return { ...seen, runsTarget, holdsTarget: !runsTarget && (await holds(otherSlot(running))) };
}

/** Opens a machine's disk, of one that is off to be read only, and a release's base image beside it, for the time of `work`. */
export function withDiskAndBase<T>(
  { layout, name }: Machine,
  release: StoredRelease,
  work: (disk: BlockDevice, base: FileHandle) => Promise<T>,
): Promise<T> {
  const files = machineLayout(layout, name);
  return withBase(release, async (base) => {
    const withBoth = (disk: BlockDevice) => work(disk, base);
    const rests = isOff(await powerState(layout, name));
    return rests
      ? hostHypervisor(layout).images.open(files.disk, 'read', withBoth)
      : withDisk(files.supervisorSocket, withBoth);
  });
}

/** What keeps a slot from being this release, every byte read; undefined when nothing does. */
export function problemInSlot(
  machine: Machine,
  slot: Slot,
  release: StoredRelease,
): Promise<string | undefined> {
  return withDiskAndBase(machine, release, (disk, base) => slotProblem(disk, slot, base, release.manifest));
}
