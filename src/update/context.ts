import type { Progress } from '../base/progress.ts';
import { abortable, type Guest } from '../channel/guest.ts';
import type { Machine } from '../machine/machine.ts';
import { guestOf } from '../supervisor/guest.ts';

/** The context of the steps of an update. */
export interface UpdateContext {
  readonly machine: Machine;
  /** The machine's guest, whose commands `signal` aborts. */
  readonly guest: Guest;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export function updateContext({ machine, progress, signal }: Omit<UpdateContext, 'guest'>): UpdateContext {
  return { machine, guest: abortable(guestOf(machine), signal), progress, signal };
}
