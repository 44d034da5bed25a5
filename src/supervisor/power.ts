import { unlessAborted } from '../base/abort.ts';
import { failure, isFailure } from '../base/errors.ts';
import { exists } from '../base/files.ts';
import { withLock } from '../base/lock.ts';
import { killProcess, readProcess } from '../base/process-table.ts';
import { until } from '../base/until.ts';
import type { RunningMachine } from '../hypervisor/hypervisor.ts';
import { chooseAsReleased, isAsReleased } from '../machine/as-released.ts';
import type { Machine } from '../machine/machine.ts';
import { askStatus, askStop } from './client.ts';
import { readFailure } from './failure-note.ts';
import { lockedBy } from './protocol/liveness.ts';
import { isOff } from './state.ts';
import type { SupervisorStatus } from './supervisor.ts';

/** How long a supervisor may take until it listens, and how often it is asked: milliseconds. */
const listening = { within: 10_000, every: 100 };
const withoutEnd = { within: Number.POSITIVE_INFINITY, every: 100 };

/**
 * Returns the state of a machine. A running machine whose supervisor has died gets a new one first.
 * @throws HoldfastError those of `Machine.configuration`.
 */
export async function powerState(machine: Machine): Promise<SupervisorStatus> {
  await machine.configuration(); // there is such a machine
  const { paths } = machine;
  const status = await until(listening, async (): Promise<SupervisorStatus | undefined> => {
    const reported = await askStatus(machine);
    if (reported) return reported;
    // the supervisor removes this directory when the machine was shut down, and only then
    if (!(await exists(paths.run))) return { state: 'stopped' };
    const found = await ifFree(paths.supervisorLock, 'supervised', async () => {
      const running = await adopt(machine);
      running?.release();
      return running !== undefined;
    });
    if (found === false) return { state: 'failed', problem: await readFailure(paths.run) };
    if (found === 'supervised') return undefined; // by a supervisor that does not listen yet, or no longer
    await launch(machine, 'adopt');
    return askStatus(machine);
  });
  return status ?? { state: 'starting' };
}

// Loaded only here and below: the state of most machines is known without a hypervisor, and without a new supervisor.
async function adopt({ home, paths }: Machine): Promise<RunningMachine | undefined> {
  const { hostHypervisor } = await import('./host-hypervisor.ts');
  return hostHypervisor(home).adopt(paths);
}

async function launch(machine: Machine, mode: 'start' | 'adopt'): Promise<void> {
  const { launchSupervisor } = await import('./launch.ts');
  await launchSupervisor(machine, mode);
}

/** Runs `work` under a lock, or returns `otherwise` when the lock is held. */
async function ifFree<T, U>(path: string, otherwise: U, work: () => Promise<T>): Promise<T | U> {
  try {
    return await withLock(path, 'status', work);
  } catch (error) {
    if (isFailure(error, 'lock.held')) return otherwise;
    throw error;
  }
}

export interface MachineStart {
  /** Prepares what this start alone needs: called under the machine's lock, unless the machine runs. */
  readonly handOver?: () => Promise<void>;
  /** Leaves out everything that the machine has kept, until the next start by a command. */
  readonly asReleased?: boolean;
}

/**
 * Starts a machine; does not wait until it has booted.
 * @returns false when it was running.
 * @throws HoldfastError `lock.held`, `machine.stopping`, `machine.running` when it does not run as released but should, and why it
 *   could not be started.
 */
export function startMachine(machine: Machine, options: MachineStart = {}): Promise<boolean> {
  return machine.locked('start', () => startLocked(machine, options));
}

async function startLocked(
  machine: Machine,
  { handOver, asReleased = false }: MachineStart,
): Promise<boolean> {
  const { secrets } = machine.paths;
  const power = await powerState(machine);
  if (power.state === 'stopping') {
    throw failure('machine.stopping', `the machine '${machine.name}' is shutting down`, {
      why: 'a shutdown is under way',
      next: 'try again when it is off; `holdfast stop` waits for that',
    });
  }
  if (!isOff(power)) {
    if (!asReleased || (await isAsReleased(secrets))) return false;
    throw failure('machine.running', `the machine '${machine.name}' is ${power.state}, not as released`, {
      why: 'a machine is started as released, or is not',
      next: 'run `holdfast restart --as-released`',
    });
  }
  await chooseAsReleased(secrets, asReleased);
  await handOver?.();
  await launch(machine, 'start');
  return true;
}

export interface StopOptions {
  /** Ends the machine at once, without a shutdown. */
  readonly force?: boolean;
  /** Aborts the wait; the shutdown continues. */
  readonly signal: AbortSignal;
}

/**
 * Shuts a machine down and waits until it is off.
 * @returns false when it was off.
 * @throws HoldfastError `machine.stop-timeout`: the machine was left running; the signal's reason.
 */
export async function stopMachine(
  machine: Machine,
  { force = false, signal }: StopOptions,
): Promise<boolean> {
  let wasRunning = false;
  if (force) await endHung(machine);
  await until({ ...withoutEnd, signal }, async () => {
    if (isOff(await unlessAborted(powerState(machine), signal))) return true;
    wasRunning = true;
    if (!(await unlessAborted(isStopped(machine, force), signal))) return false;
    await unlessAborted(supervisorEnded(machine), signal);
    return true;
  });
  return wasRunning;
}

/** Ends a machine's processes at once, even when its supervisor is dead or its configuration damaged; waits until they are gone. */
export async function killMachine(machine: Machine): Promise<void> {
  const { paths } = machine;
  await endHung(machine);
  await until(withoutEnd, async () => {
    if (!(await exists(paths.run))) return true;
    if (await isStopped(machine, true)) {
      await supervisorEnded(machine);
      return true;
    }
    const found = await ifFree(paths.supervisorLock, 'supervised', async () => {
      const running = await adopt(machine);
      await running?.kill();
    });
    return found !== 'supervised';
  });
}

/** Returns false when there is no supervisor, not yet or no longer. */
async function isStopped(machine: Machine, force: boolean): Promise<boolean> {
  try {
    return await askStop(machine, force);
  } catch (error) {
    if (isFailure(error, 'supervisor.lost')) return false;
    throw error;
  }
}

/** Ends a supervisor that does not answer, which leaves its machine without one. */
async function endHung(machine: Machine): Promise<void> {
  try {
    await askStatus(machine);
  } catch (error) {
    if (!isFailure(error, 'supervisor.hangs')) return; // whatever it is, the caller meets it again
    const pid = await lockedBy(machine.paths.supervisorSocket);
    const holder = pid === undefined ? undefined : await readProcess(pid);
    // the number of a process that has ended may be another's
    if (holder?.argv.at(-1) === machine.name) await killProcess(holder);
  }
}

/**
 * Waits until the supervisor's process is gone, which is the last of a running machine.
 * @throws HoldfastError `lock.held` when it is still there after half a minute.
 */
export async function supervisorEnded(machine: Machine): Promise<void> {
  await withLock(machine.paths.supervisorLock, 'stop', async () => {}, { wait: 30 });
}
