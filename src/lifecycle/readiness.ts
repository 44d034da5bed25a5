import { setTimeout as sleep } from 'node:timers/promises';
import { unlessAborted } from '../base/abort.ts';
import { describe, failure, HoldfastError } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import { runToEnd } from '../channel/run.ts';
import { type BootState, waitForBoot } from '../guest/boot.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { powerState } from '../supervisor/power.ts';
import { startThrough } from '../supervisor/protocol/client.ts';

/** How often a machine that boots is looked at: milliseconds. */
const pollEvery = 100;

/** How long a machine may take to boot, in milliseconds: an emulated one on a busy host takes minutes. */
const bootLimit = 600_000;

/**
 * Waits until a machine that was started is ready: its channel answers, and its guest has started all it should.
 * @returns `degraded` when something in the guest failed to start.
 * @throws HoldfastError `machine.ended` when it goes off instead, `machine.boot-timeout`; the signal's reason.
 */
export async function waitUntilReady(
  layout: HomeLayout,
  name: MachineName,
  progress: Progress,
  signal: AbortSignal,
): Promise<BootState> {
  const { supervisorSocket } = machineLayout(layout, name);
  const howToFindOut =
    'see `holdfast logs`, collect all with `holdfast logs --archive FILE`, or give up with `holdfast remove`';
  const began = performance.now();
  let problem = 'its channel was silent';
  return progress.step('Waiting for the machine', async (step) => {
    for (;;) {
      const waited = performance.now() - began;
      const { state, problem: told } = await powerState(layout, name);
      if (state === 'stopped' || state === 'stopping') {
        throw failure('machine.ended', `the machine '${name}' went off before it was ready`, {
          why: `somebody stopped it; it is ${state}`,
          next: 'run `holdfast start` when it is off',
        });
      }
      if (state === 'failed') {
        throw failure('machine.ended', `the machine '${name}' went off before it was ready`, {
          why: told ?? 'its processes ended without a shutdown',
          next: howToFindOut,
        });
      }
      if (waited > bootLimit) {
        throw failure('machine.boot-timeout', `the machine '${name}' is not ready`, {
          why: `${bootLimit / 60_000} minutes long ${told ?? problem}; it was left running`,
          next: howToFindOut,
        });
      }
      if (state === 'running') {
        step.note('its services start');
        const asked = await unlessAborted(askForBoot(supervisorSocket, bootLimit - waited), signal);
        if (asked.state) return asked.state;
        problem = asked.problem;
      }
      step.update({ done: Math.floor(waited / 1000), unit: 'seconds' });
      await sleep(pollEvery, undefined, { signal });
    }
  });
}

/** What the guest says of its boot, or why it does not. A guest that reboots meanwhile is asked again by the caller. */
async function askForBoot(
  socket: string,
  timeoutMs: number,
): Promise<{ readonly state: BootState | undefined; readonly problem: string }> {
  const start = startThrough(socket);
  try {
    const state = await waitForBoot({ run: (argv, options) => runToEnd(start, argv, options) }, timeoutMs);
    return { state, problem: 'its services did not start' };
  } catch (error) {
    if (error instanceof HoldfastError) return { state: undefined, problem: describe(error) };
    throw error;
  }
}
