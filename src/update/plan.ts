import type { Slot } from '../disk/layout.ts';
import { otherSlot, phaseOf, type SlotsSeen } from '../firmware/slots.ts';

/** The observed state of a machine during an update. */
export interface Observed extends SlotsSeen {
  /** Whether the active slot holds the wanted release. */
  readonly runsTarget: boolean;
  /** Whether the inactive slot holds it, every byte verified. */
  readonly holdsTarget: boolean;
  /** Whether the machine's own changes were compared with those of the release, or need not be. */
  readonly isCompared: boolean;
  /** Whether the inactive slot holds a release of an earlier epoch, which must not run on this machine again. */
  readonly holdsPast: boolean;
}

/**
 * The steps of an update. Each is idempotent.
 * - `start`: start a machine that is off or failed
 * - `retire`: remove the inactive slot from the boot order and cancel its trial, so that nothing boots it while it is written
 * - `stage`: write the release into it
 * - `compare`: check that no file of the machine hides a change of the release
 * - `finalize`: make the next start a trial of it
 * - `restart`: begin the trial
 * - `judge`: check the health of the trial; then commit it, or end it
 * - `abandon`: end a trial of another release
 * - `expire`: make a release of an earlier epoch unbootable
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
 * Returns the next step towards the wanted release; undefined when it is committed. The active slot is never written, and the
 * slot that is written is never in the boot order: an interrupted update boots the committed release.
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
