import type { Progress } from '../base/progress.ts';
import type { ChannelName } from '../channel/channels.ts';
import { abortable, type Guest } from '../channel/guest.ts';
import type { Machine } from '../machine/machine.ts';
import { guestOf } from '../supervisor/guest.ts';

/** The context of the steps of an update. */
export interface UpdateContext {
  readonly machine: Machine;
  /** The machine's guest, whose commands `signal` aborts. */
  readonly guest: Guest;
  /** The same over the user channel. */
  readonly users: Guest;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export function updateContext({
  machine,
  progress,
  signal,
}: Omit<UpdateContext, 'guest' | 'users'>): UpdateContext {
  const over = (channel: ChannelName) => abortable(guestOf(machine, channel), signal);
  return { machine, guest: over('management'), users: over('user'), progress, signal };
}
