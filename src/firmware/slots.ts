import type { Slot } from '../disk/layout.ts';

/** What the UEFI variables and the guest say, from which all else about slots follows. */
export interface SlotsSeen {
  /** `BootOrder`: the first is committed, the second is what the firmware falls back to. */
  readonly order: readonly Slot[];
  /** `BootNext`: tried once, at the next start. */
  readonly next?: Slot;
  /** The slot that runs; undefined while the machine is off. */
  readonly running: Slot | undefined;
}

/**
 * Where an update stands.
 * - `committed`: the committed slot runs, or will
 * - `finalized`: the next start is a trial
 * - `trial`: a slot runs that is not in the order of boot: any reset leads back to the committed one
 * - `degraded`: the committed slot does not come up, and the other runs in its place
 */
export type Phase = 'committed' | 'finalized' | 'trial' | 'degraded';

export function phaseOf({ order, next, running }: SlotsSeen): Phase {
  if (running !== undefined && !order.includes(running)) return 'trial';
  if (next !== undefined) return 'finalized';
  return running === undefined || running === order[0] ? 'committed' : 'degraded';
}

export function otherSlot(slot: Slot): Slot {
  return slot === 'A' ? 'B' : 'A';
}
