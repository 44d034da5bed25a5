import { readdir, readFile } from 'node:fs/promises';
import { failure, isSystemError } from './errors.ts';
import { until } from './until.ts';

/** A process. The start time distinguishes it from a later process with the same PID. */
export interface ProcessEntry {
  readonly pid: number;
  /** Its real user ID. */
  readonly user: number;
  readonly argv: readonly string[];
  /** Start time in clock ticks since the host booted: proc_pid_stat(5), field 22. */
  readonly startTicks: number;
}

/**
 * USER_HZ, the unit of proc_pid_stat(5). The user space ABI of Linux fixes it at 100 on the
 * supported architectures.
 */
const ticksPerSecond = 100;

/**
 * Finds processes by their argv. Kernel threads and zombies are left out.
 * @param users whose processes are looked at: another user could give a process any argv. Default: this user.
 */
export async function findProcesses(
  matches: (argv: readonly string[]) => boolean,
  users: readonly number[] = [process.getuid?.() ?? 0],
): Promise<ProcessEntry[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const entries = await Promise.all(names.map((name) => readProcess(Number(name))));
  return entries
    .filter((entry) => entry !== undefined)
    .filter(({ user, argv }) => users.includes(user) && matches(argv));
}

/** Returns the process with this PID, or undefined when it has ended, is a zombie, or a kernel thread. */
export async function readProcess(pid: number): Promise<ProcessEntry | undefined> {
  try {
    const directory = `/proc/${pid}`;
    const [command, status, stat] = await Promise.all(
      ['cmdline', 'status', 'stat'].map((file) => readFile(`${directory}/${file}`, 'utf8')),
    );
    const argv = command?.split('\0').slice(0, -1) ?? [];
    const user = Number(/^Uid:\t(\d+)/m.exec(status ?? '')?.[1]);
    const startTicks = parseStartTicks(stat ?? '');
    if (argv.length === 0 || startTicks === undefined) return undefined;
    return { pid, user, argv, startTicks };
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ESRCH')) return undefined;
    throw error;
  }
}

/**
 * Parses field 22 of proc_pid_stat(5). Undefined for a zombie. The name in field 2 can contain
 * spaces and parentheses.
 */
export function parseStartTicks(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, ticks] = [fields[0], Number(fields[19])];
  return state === 'Z' || state === 'X' || !Number.isSafeInteger(ticks) ? undefined : ticks;
}

/** Returns the time at which the process started. */
export async function startTime(entry: ProcessEntry): Promise<Date> {
  const bootSeconds = Number(/^btime (\d+)$/m.exec(await readFile('/proc/stat', 'utf8'))?.[1]);
  return new Date((bootSeconds + entry.startTicks / ticksPerSecond) * 1000);
}

/** Returns true while this process runs; a later process with the same PID does not count. */
export async function isRunning(entry: ProcessEntry): Promise<boolean> {
  return (await readProcess(entry.pid))?.startTicks === entry.startTicks;
}

/** SIGHUP, SIGINT and SIGTERM as bits of a signal mask: signal(7). */
const endSignals = (1n << 0n) | (1n << 1n) | (1n << 14n);

/** What signals have done to a process. */
export interface SignalState {
  /** Whether it blocks SIGHUP, SIGINT or SIGTERM, and was sent one. */
  readonly isAskedToEnd: boolean;
  /** Whether SIGSTOP or a debugger has stopped it. */
  readonly isStopped: boolean;
}

/** Reads what signals have done to a process: proc_pid_status(5), `State` and `ShdPnd`. Nothing, when it has ended. */
export async function readSignalState({ pid }: ProcessEntry): Promise<SignalState> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const pending = /^ShdPnd:\t([\da-f]{1,16})$/m.exec(status)?.[1];
    return {
      isAskedToEnd: (BigInt(`0x${pending ?? '0'}`) & endSignals) !== 0n,
      isStopped: /^State:\t[Tt] /m.test(status),
    };
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') && !isSystemError(error, 'ESRCH')) throw error;
    return { isAskedToEnd: false, isStopped: false };
  }
}

/**
 * Kills a process with SIGKILL and waits until it has ended.
 * @throws HoldfastError `process.unkillable` when it has not ended after 10 s.
 */
export async function killProcess(entry: ProcessEntry): Promise<void> {
  if (!(await isRunning(entry))) return;
  try {
    process.kill(entry.pid, 'SIGKILL');
  } catch (error) {
    if (!isSystemError(error, 'ESRCH')) throw error;
  }
  if (await isGone(entry, 10_000)) return;
  throw failure('process.unkillable', `cannot kill process ${entry.pid}`, {
    why: 'it has not ended 10 s after SIGKILL; most likely it is blocked in a read or write in the kernel',
    next: 'check the host: its disk and the kernel log',
  });
}

/** Waits until a process has ended. @returns false when it still runs after `timeoutMs`. */
export async function isGone(entry: ProcessEntry, timeoutMs: number): Promise<boolean> {
  const deadline = { within: timeoutMs, every: (asked: number) => Math.min(2.5 * 2 ** asked, 200) };
  return (await until(deadline, async () => !(await isRunning(entry)))) ?? false;
}
