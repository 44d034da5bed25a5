import { unlessAborted } from '../base/abort.ts';
import { describe, failure, HoldfastError } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import { until } from '../base/until.ts';
import type { Guest } from '../channel/guest.ts';
import { type BootState, waitForBoot } from '../guest/boot.ts';
import type { Machine } from '../machine/machine.ts';
import { guestOf } from '../supervisor/guest.ts';
import { powerState } from '../supervisor/power.ts';
import type { SupervisorStatus } from '../supervisor/supervisor.ts';

/** How long a machine may take to boot, and how often its state is read: milliseconds. An emulated one takes minutes. */
const boot = { within: 600_000, every: 100 };

const howToFindOut =
  'see `holdfast logs`, collect all logs with `holdfast logs --archive FILE`, or give up with `holdfast remove`';

/**
 * Waits until a machine that was started is ready: its channel answers, and its guest has started all
 * services.
 * @returns `degraded` when a service of the guest failed to start.
 * @throws HoldfastError `machine.ended` when it stops instead, `machine.boot-timeout`; the signal's reason.
 */
export async function waitUntilReady(
  machine: Machine,
  progress: Progress,
  signal: AbortSignal,
): Promise<BootState> {
  const guest = guestOf(machine);
  let problem = 'its channel does not respond';
  let reported: string | undefined;
  return progress.step('Waiting for the machine', async (step) => {
    const state = await until({ ...boot, signal }, async (left) => {
      const power = await unlessAborted(powerState(machine), signal);
      failWhenOff(machine, power);
      reported = power.problem;
      if (power.state === 'running' && left > 0) {
        step.note('its services start');
        const asked = await unlessAborted(askForBoot(guest, left), signal);
        if (asked.state) return asked.state;
        problem = asked.problem;
      }
      step.update({ done: Math.floor((boot.within - left) / 1000), unit: 'seconds' });
      return undefined;
    });
    if (state) return state;
    throw failure('machine.boot-timeout', `the machine '${machine.name}' is not ready`, {
      why: `after ${boot.within / 60_000} minutes: ${reported ?? problem}; it was left running`,
      next: howToFindOut,
    });
  });
}

/** @throws HoldfastError `machine.ended`. */
function failWhenOff({ name }: Machine, { state, problem }: SupervisorStatus): void {
  if (state === 'stopped' || state === 'stopping') {
    throw failure('machine.ended', `the machine '${name}' stopped before it was ready`, {
      why: `another command stopped it; it is ${state}`,
      next: 'run `holdfast start` when it is off',
    });
  }
  if (state === 'failed') {
    throw failure('machine.ended', `the machine '${name}' stopped before it was ready`, {
      why: problem ?? 'its processes ended without a shutdown',
      next: howToFindOut,
    });
  }
}

/** Returns the boot state of the guest, or why it is unknown. The caller asks again when the guest reboots meanwhile. */
async function askForBoot(
  guest: Guest,
  timeoutMs: number,
): Promise<{ readonly state: BootState | undefined; readonly problem: string }> {
  try {
    return { state: await waitForBoot(guest, timeoutMs), problem: 'its services did not start' };
  } catch (error) {
    if (error instanceof HoldfastError) return { state: undefined, problem: describe(error) };
    throw error;
  }
}
