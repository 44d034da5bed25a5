import { setTimeout as sleep } from 'node:timers/promises';
import { unlessAborted } from '../base/abort.ts';
import { failure, isFailure } from '../base/errors.ts';
import { exists } from '../base/files.ts';
import { withLock } from '../base/lock.ts';
import { readConfiguration } from '../machine/configuration.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { askStatus, askStop } from './client.ts';
import { readFailure } from './failure-note.ts';
import { hostHypervisor } from './host-hypervisor.ts';
import { launchSupervisor } from './launch.ts';
import { isOff } from './state.ts';
import type { SupervisorStatus } from './supervisor.ts';

/** How often a machine that boots is looked at: milliseconds. */
const pollEvery = 100;

/** How long a supervisor may take until it listens: milliseconds. */
const listensWithin = 10_000;

/**
 * What a machine is doing. When it runs and its supervisor has died, it gets a new one first.
 * @throws HoldfastError `machine.none`, and those of `readConfiguration`.
 */
export async function powerState(layout: HomeLayout, name: MachineName): Promise<SupervisorStatus> {
  await readConfiguration(layout, name);
  const files = machineLayout(layout, name);
  for (let waited = 0; waited < listensWithin; waited += pollEvery) {
    const told = await askStatus(files.supervisorSocket);
    if (told) return told;
    // the supervisor removes this directory when the machine was shut down, and only then
    if (!(await exists(files.run))) return { state: 'stopped' };
    const found = await ifFree(files.supervisorLock, 'supervised', async () => {
      const machine = await hostHypervisor(layout).adopt(files);
      machine?.release();
      return machine !== undefined;
    });
    if (found === false) return { state: 'failed', problem: await readFailure(files.run) };
    if (found === true) await launchSupervisor(layout, name, 'adopt');
    else await sleep(pollEvery); // a supervisor lives that does not listen yet, or no longer
  }
  return { state: 'starting' };
}

/** Runs `work` under a lock, or answers `otherwise` when somebody holds it. */
async function ifFree<T, U>(path: string, otherwise: U, work: () => Promise<T>): Promise<T | U> {
  try {
    return await withLock(path, 'status', work);
  } catch (error) {
    if (isFailure(error, 'lock.held')) return otherwise;
    throw error;
  }
}

/**
 * Starts a machine; does not wait until it has booted.
 * @param handOver what this start alone needs: called while nobody else can start the machine, and not when it runs.
 * @returns false when it ran already.
 * @throws HoldfastError `lock.held`, `machine.stopping`, and why it could not be started.
 */
export async function startMachine(
  layout: HomeLayout,
  name: MachineName,
  handOver?: () => Promise<void>,
): Promise<boolean> {
  await readConfiguration(layout, name);
  return withLock(machineLayout(layout, name).lock, 'start', () => startLocked(layout, name, handOver));
}

/** With the machine's lock held. */
async function startLocked(
  layout: HomeLayout,
  name: MachineName,
  handOver?: () => Promise<void>,
): Promise<boolean> {
  const power = await powerState(layout, name);
  if (power.state === 'stopping') {
    throw failure('machine.stopping', `the machine '${name}' is shutting down`, {
      why: 'it was asked to a moment ago',
      next: 'try again when it is off; `holdfast stop` waits for that',
    });
  }
  if (!isOff(power)) return false;
  await handOver?.();
  await launchSupervisor(layout, name, 'start');
  return true;
}

/**
 * Shuts a machine down, or with `force` ends it at once, and waits until it is off.
 * @param signal ends the waiting; what was asked for goes on.
 * @returns false when it was off already.
 * @throws HoldfastError `machine.stop-timeout`: the machine was left running; the signal's reason.
 */
export async function stopMachine(
  layout: HomeLayout,
  name: MachineName,
  force: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const { supervisorSocket } = machineLayout(layout, name);
  for (let asked = false; ; asked = true) {
    signal.throwIfAborted();
    if (isOff(await powerState(layout, name))) return asked;
    if (await unlessAborted(isStopped(supervisorSocket, force), signal)) {
      await supervisorEnded(layout, name);
      return true;
    }
    await sleep(pollEvery, undefined, { signal });
  }
}

/**
 * Ends a machine's processes at once, also when its supervisor is dead or its configuration damaged, and waits until they
 * are gone.
 */
export async function killMachine(layout: HomeLayout, name: MachineName): Promise<void> {
  const files = machineLayout(layout, name);
  while (await exists(files.run)) {
    if (await isStopped(files.supervisorSocket, true)) return supervisorEnded(layout, name);
    const found = await ifFree(files.supervisorLock, 'supervised', async () => {
      const machine = await hostHypervisor(layout).adopt(files);
      await machine?.kill();
    });
    if (found !== 'supervised') return;
    await sleep(pollEvery);
  }
}

/** False when there is no supervisor that could be asked, not yet or no longer. */
async function isStopped(socket: string, force: boolean): Promise<boolean> {
  try {
    return await askStop(socket, force);
  } catch (error) {
    if (isFailure(error, 'supervisor.lost')) return false;
    throw error;
  }
}

/** Waits until the supervisor's process is gone and with it the last that belongs to a running machine. */
export async function supervisorEnded(layout: HomeLayout, name: MachineName): Promise<void> {
  await withLock(machineLayout(layout, name).supervisorLock, 'stop', async () => {}, { wait: true });
}
