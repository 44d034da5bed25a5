import { setTimeout as sleep } from 'node:timers/promises';
import { unlessAborted } from '../base/abort.ts';
import { describe, failure, HoldfastError } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import type { Guest } from '../channel/guest.ts';
import { type BootState, waitForBoot } from '../guest/boot.ts';
import type { Machine } from '../machine/machine.ts';
import { guestOf } from '../supervisor/guest.ts';
import { powerState } from '../supervisor/power.ts';
import type { SupervisorStatus } from '../supervisor/supervisor.ts';

/** How often the state of a booting machine is read: milliseconds. */
const pollEvery = 100;

/** How long a machine may take to boot, in milliseconds: an emulated one on a busy host takes minutes. */
const bootLimit = 600_000;

const howToFindOut =
  'see `holdfast logs`, collect all logs with `holdfast logs --archive FILE`, or give up with `holdfast remove`';

/**
 * Waits until a machine that was started is ready: its channel answers, and its guest has started all services.
 * @returns `degraded` when a service of the guest failed to start.
 * @throws HoldfastError `machine.ended` when it goes off instead, `machine.boot-timeout`; the signal's reason.
 */
export async function waitUntilReady(
  machine: Machine,
  progress: Progress,
  signal: AbortSignal,
): Promise<BootState> {
  const guest = guestOf(machine);
  const began = performance.now();
  let problem = 'its channel was silent';
  return progress.step('Waiting for the machine', async (step) => {
    for (;;) {
      const waited = performance.now() - began;
      const power = await powerState(machine);
      failWhenOff(machine, power);
      if (waited > bootLimit) {
        throw failure('machine.boot-timeout', `the machine '${machine.name}' is not ready`, {
          why: `${bootLimit / 60_000} minutes long ${power.problem ?? problem}; it was left running`,
          next: howToFindOut,
        });
      }
      if (power.state === 'running') {
        step.note('its services start');
        const asked = await unlessAborted(askForBoot(guest, bootLimit - waited), signal);
        if (asked.state) return asked.state;
        problem = asked.problem;
      }
      step.update({ done: Math.floor(waited / 1000), unit: 'seconds' });
      await sleep(pollEvery, undefined, { signal });
    }
  });
}

/** @throws HoldfastError `machine.ended`. */
function failWhenOff({ name }: Machine, { state, problem }: SupervisorStatus): void {
  if (state === 'stopped' || state === 'stopping') {
    throw failure('machine.ended', `the machine '${name}' went off before it was ready`, {
      why: `another command stopped it; it is ${state}`,
      next: 'run `holdfast start` when it is off',
    });
  }
  if (state === 'failed') {
    throw failure('machine.ended', `the machine '${name}' went off before it was ready`, {
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
