import { setTimeout as sleep } from 'node:timers/promises';
import { describe, failure } from '../base/errors.ts';
import { until } from '../base/until.ts';
import type { BootLoop } from './boot-loop.ts';
import type { SupervisorParts } from './parts.ts';

/**
 * Asks the guest to shut down, again and again, until the machine is off.
 * @param off resolves to true when the machine is off.
 * @throws HoldfastError `machine.stop-timeout` when the guest did not shut down in time; it is left running.
 */
export async function shutDown(parts: SupervisorParts, loop: BootLoop, off: Promise<true>): Promise<void> {
  const { stopDeadline = 90_000, askEvery = 5000, machine, log } = parts;
  const isAnswering = () => loop.session() !== undefined;
  const began = performance.now();
  const ask = async (): Promise<boolean> => {
    const isUrgent = performance.now() - began > stopDeadline * urgentAfter;
    const asked = askToShutDown(loop, log, isUrgent).then(() => sleep(askEvery, false, { ref: false }));
    return Promise.race([off, asked]);
  };
  const deadline = { within: stopDeadline, every: 0 };
  loop.happen({ type: 'stop', force: false });
  const wasAnswering = isAnswering();
  const end = await until(
    deadline,
    async () => ((await ask()) && 'off') || (!wasAnswering && isAnswering() && 'answering'),
  );
  // firmware and early boot ignore the request: a guest that begins to answer gets the whole time limit again
  if (end === 'off' || (end === 'answering' && (await until(deadline, ask)))) return;
  loop.happen({ type: 'give-up' });
  if (isAnswering()) loop.happen({ type: 'connected' });
  throw failure('machine.stop-timeout', `the machine '${machine.name}' did not shut down`, {
    why: `it had ${Math.round(stopDeadline / 1000)} seconds to do so`,
    next: 'try again, or end it at once with `holdfast stop --force`: what it has not written is lost',
  });
}

/** The part of the time limit after which a shutdown that the guest's units block, as by a masked target, skips them. */
const urgentAfter = 0.7;

const askUnits = ['systemctl', '--no-block', 'poweroff'];
/** Ends all processes and unmounts the file systems (systemctl(1)). */
const endProcesses = ['systemctl', '--no-block', '--force', 'poweroff'];

/**
 * Requests the shutdown through the channel, else by the power button: a guest that boots or hangs may react
 * to only one of them.
 */
async function askToShutDown(loop: BootLoop, log: (line: string) => void, isUrgent: boolean): Promise<void> {
  const pressPowerButton = async () => loop.machine?.powerDown();
  try {
    const session = loop.session();
    if (!session) await pressPowerButton();
    else await session.run(isUrgent ? endProcesses : askUnits, { timeoutMs: 30_000 });
  } catch (error) {
    log(`shutdown not taken: ${describe(error)}`);
    await pressPowerButton().catch((cause: unknown) => log(`power button failed: ${describe(cause)}`));
  }
}
