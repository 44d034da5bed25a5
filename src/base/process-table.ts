import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { failure, isSystemError } from './errors.ts';

/** A process of this user, told apart from a later one with the same number. */
export interface ProcessEntry {
  readonly pid: number;
  readonly argv: readonly string[];
  /** When it started, in clock ticks since the host booted: proc_pid_stat(5), field 22. */
  readonly startTicks: number;
}

/** USER_HZ, the unit of proc_pid_stat(5): 100 on every architecture that Linux's user space ABI fixes it for. */
const ticksPerSecond = 100;

/** Finds this user's processes by their argv. Kernel threads and zombies are none. */
export async function findProcesses(matches: (argv: readonly string[]) => boolean): Promise<ProcessEntry[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const entries = await Promise.all(names.map((name) => readProcess(Number(name))));
  return entries.filter((entry) => entry !== undefined).filter((entry) => matches(entry.argv));
}

/** The process with this number, or undefined when it is gone, a zombie, or another user's. */
export async function readProcess(pid: number): Promise<ProcessEntry | undefined> {
  try {
    const directory = `/proc/${pid}`;
    const [command, status, stat] = await Promise.all(
      ['cmdline', 'status', 'stat'].map((file) => readFile(`${directory}/${file}`, 'utf8')),
    );
    const argv = command?.split('\0').slice(0, -1) ?? [];
    const uid = /^Uid:\t(\d+)/m.exec(status ?? '')?.[1];
    const startTicks = parseStartTicks(stat ?? '');
    if (argv.length === 0 || Number(uid) !== process.getuid?.() || startTicks === undefined) return undefined;
    return { pid, argv, startTicks };
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ESRCH')) return undefined;
    throw error;
  }
}

/** Field 22 of proc_pid_stat(5); undefined for a zombie. The name in field 2 may hold spaces and parentheses. */
export function parseStartTicks(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, ticks] = [fields[0], Number(fields[19])];
  return state === 'Z' || state === 'X' || !Number.isSafeInteger(ticks) ? undefined : ticks;
}

/** When the process started. */
export async function startTime(entry: ProcessEntry): Promise<Date> {
  const bootSeconds = Number(/^btime (\d+)$/m.exec(await readFile('/proc/stat', 'utf8'))?.[1]);
  return new Date((bootSeconds + entry.startTicks / ticksPerSecond) * 1000);
}

/** Whether this very process still runs. */
export async function isRunning(entry: ProcessEntry): Promise<boolean> {
  return (await readProcess(entry.pid))?.startTicks === entry.startTicks;
}

/**
 * Ends a process at once and waits until it is gone.
 * @throws HoldfastError `process.unkillable` when the kernel does not let go of it within 10 s.
 */
export async function killProcess(entry: ProcessEntry): Promise<void> {
  if (!(await isRunning(entry))) return;
  try {
    process.kill(entry.pid, 'SIGKILL');
  } catch (error) {
    if (!isSystemError(error, 'ESRCH')) throw error;
  }
  if (await isGone(entry, 10_000)) return;
  throw failure('process.unkillable', `process ${entry.pid} does not end`, {
    why: 'the kernel holds it, most likely in a read or write that does not return',
    next: 'check the host: its disk, and the kernel log',
  });
}

/** Waits until a process is gone. @returns false when it still runs after `timeoutMs`. */
export async function isGone(entry: ProcessEntry, timeoutMs: number): Promise<boolean> {
  const giveUpAt = performance.now() + timeoutMs;
  for (let wait = 5; await isRunning(entry); wait = Math.min(wait * 2, 200)) {
    if (performance.now() > giveUpAt) return false;
    await sleep(wait);
  }
  return true;
}
