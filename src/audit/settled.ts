import type { Progress } from '../base/progress.ts';
import { waitUntilReady } from '../lifecycle/readiness.ts';
import type { Machine } from '../machine/machine.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';

/** How long a guest may take to start its services before it is audited as it is: milliseconds. */
const patience = 120_000;

/**
 * Waits until a machine that runs has started its services: some of them, such as the packet filter, are what an audit looks at.
 * @throws HoldfastError `machine.ended` when the machine stops meanwhile; the signal's reason.
 */
export async function waitUntilSettled(
  machine: Machine,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  if (isOff(await powerState(machine))) return; // the audit tells why it cannot begin
  const limit = AbortSignal.timeout(patience);
  try {
    await waitUntilReady(machine, progress, AbortSignal.any([signal, limit]));
  } catch (error) {
    signal.throwIfAborted();
    if (!limit.aborted) throw error;
  }
}
