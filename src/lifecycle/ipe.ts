import { type RunningIpe, readIpe } from '../guest/ipe.ts';
import type { IpeMode } from '../machine/limits.ts';
import type { Machine } from '../machine/machine.ts';
import { guestOf } from '../supervisor/guest.ts';
import { powerState } from '../supervisor/power.ts';

export interface IpeState {
  /** The mode from the next start on. */
  readonly configured: IpeMode;
  /** The mode of the guest's kernel; undefined while it is not running. */
  readonly runs: RunningIpe | undefined;
}

/**
 * Returns how a machine's integrity policy is enforced, now and from the next start on.
 * @throws HoldfastError those of `Machine.configuration` and `readIpe`.
 */
export async function ipeState(machine: Machine): Promise<IpeState> {
  const { ipe } = await machine.configuration();
  const { state } = await powerState(machine);
  return { configured: ipe, runs: state === 'running' ? await readIpe(guestOf(machine)) : undefined };
}
