import type { Slot } from '../disk/layout.ts';

/**
 * The observed state of the slots: the UEFI variables and the active slot. Every statement about
 * slots derives from it.
 */
export interface SlotsSeen {
  /** `BootOrder`: the first is committed, the second is the fallback of the firmware. */
  readonly order: readonly Slot[];
  /** `BootNext`: tried once, at the next start. */
  readonly next?: Slot;
  /** The active slot; undefined while the machine is off. */
  readonly running: Slot | undefined;
}

/**
 * The phase of an update.
 * - `committed`: the committed slot is active, or will be at the next start
 * - `finalized`: the next start is a trial
 * - `trial`: the active slot is not in the boot order; any reset returns to the committed slot
 * - `degraded`: the committed slot does not boot, and the other slot is active in its place
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
