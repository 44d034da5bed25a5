import { isFailure } from '../base/errors.ts';
import { waitUntilReady } from '../lifecycle/readiness.ts';
import { startMachine, stopMachine } from '../supervisor/power.ts';
import type { UpdateContext } from './context.ts';

/**
 * Starts a machine and waits until it is ready.
 * @param whileOff prepares this start; not called when the machine runs.
 * @returns false when it was running.
 */
export async function bringUp(
  { machine, progress, signal }: UpdateContext,
  whileOff?: () => Promise<void>,
): Promise<boolean> {
  const isStarted = await startMachine(machine, { ...(whileOff && { handOver: whileOff }) });
  await waitUntilReady(machine, progress, signal);
  return isStarted;
}

/** Shuts a machine down and brings it up again, once more when its start hangs. Returns as `bringUp` does. */
export async function restart(update: UpdateContext, whileOff?: () => Promise<void>): Promise<boolean> {
  const { machine, progress, signal } = update;
  const stop = (force: boolean) =>
    progress.step('Stopping the machine', () => stopMachine(machine, { force, signal }));
  await stop(false);
  try {
    return await bringUp(update, whileOff);
  } catch (error) {
    if (!isFailure(error, 'machine.boot-timeout')) throw error;
    await stop(true); // a hanging trial: any reset ends it
    await bringUp(update);
    return true;
  }
}
