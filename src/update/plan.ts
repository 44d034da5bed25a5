import type { Slot } from '../disk/layout.ts';
import { otherSlot, phaseOf, type SlotsSeen } from '../firmware/slots.ts';

/** What is known of a machine on its way to a release. */
export interface Observed extends SlotsSeen {
  /** Whether the slot that runs holds the release that is wanted. */
  readonly runsTarget: boolean;
  /** Whether the slot that does not run holds it, every byte checked. */
  readonly holdsTarget: boolean;
  /** Whether what the machine changed was compared with what it changes, or need not be. */
  readonly isCompared: boolean;
  /** Whether the slot that does not run holds a release that must not run on this machine again. */
  readonly holdsPast: boolean;
}

/**
 * The steps of an update, each of which can be done again.
 * - `start`: the machine is off, or failed
 * - `retire`: take the slot that does not run out of the order of boot, and call off a trial of it, so that nothing boots it
 *   while it is written
 * - `stage`: write the release into it
 * - `compare`: see that nothing of the machine's own hides what the release changes
 * - `finalize`: make the next start a trial of it
 * - `restart`: begin the trial
 * - `judge`: check the health of the trial; then commit it, or leave it
 * - `abandon`: leave a trial of another release
 * - `expire`: make a release of an earlier epoch unfit to be started
 */
export type Step =
  | 'start'
  | 'retire'
  | 'stage'
  | 'compare'
  | 'finalize'
  | 'restart'
  | 'judge'
  | 'abandon'
  | 'expire';

/**
 * The next step towards the release that is wanted; undefined when the machine is there. The slot that runs is never
 * written, and the slot that is written is never one that the firmware would boot: whenever this is cut off, it boots the
 * committed release.
 */
export function nextStep(seen: Observed): Step | undefined {
  const { running, order, next, runsTarget, holdsTarget, isCompared, holdsPast } = seen;
  if (running === undefined) return 'start';
  const phase = phaseOf(seen);
  if (phase === 'trial') return runsTarget ? 'judge' : 'abandon';
  if (runsTarget && phase === 'degraded') return 'judge';
  const target: Slot = otherSlot(running);
  if (next === target && (runsTarget || !holdsTarget)) return 'retire';
  if (runsTarget && !holdsPast) return undefined;
  if (order.includes(target)) return 'retire';
  if (runsTarget) return 'expire';
  if (!holdsTarget) return 'stage';
  if (!isCompared) return 'compare';
  return next === target ? 'restart' : 'finalize';
}
