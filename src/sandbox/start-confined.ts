import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { isSystemError } from '../base/errors.ts';
import { start, started } from '../base/process.ts';
import { type ConfinedProgram, type Confinement, confinedCommand } from './confined-command.ts';

/** A confined program that was started. It outlives this process and its terminal. */
export interface StartedProgram {
  /** The process of the program itself; undefined until that is known. */
  pid(): number | undefined;
  /** Whether it has ended, or could not be started. */
  hasEnded(): boolean;
  /** What it has printed. */
  readonly log: string;
  kill(): void;
}

export interface StartOptions {
  readonly confinement: Confinement;
  /** A new file for its output, which stays the caller's. */
  readonly log: string;
  /** Descriptors that it gets as `firstPassedDescriptor` and the next ones. */
  readonly passed?: readonly number[];
}

/** The limit for bwrap's report, in bytes. */
const reportLimit = 4096;

/**
 * Starts a confined program in a session of its own.
 * @throws HoldfastError `process.missing`, `process.failed`.
 */
export async function startConfined(
  confined: ConfinedProgram,
  { confinement, log, passed = [] }: StartOptions,
): Promise<StartedProgram> {
  const [command = '', ...args] = confinedCommand(confined, confinement);
  const isReported = confinement.bubblewrap !== undefined;
  await rm(log, { force: true });
  const output = await open(log, 'a', 0o600);
  try {
    const child = start(command, args, {
      stdio: ['ignore', output.fd, output.fd, isReported ? 'pipe' : 'ignore', ...passed],
      detached: true,
      cwd: '/',
      env: {}, // the caller's environment may have secrets
    });
    await started(child, command);
    child.unref();
    const report = child.stdio[3];
    let text = '';
    if (report instanceof Readable) {
      if ('unref' in report && typeof report.unref === 'function') report.unref();
      report.setEncoding('utf8').on('data', (piece: string) => {
        text = (text + piece).slice(0, reportLimit);
      });
      report.on('error', () => {});
    }
    const pid = () => (isReported ? reportedProcess(text) : child.pid);
    return {
      pid,
      hasEnded: () => child.exitCode !== null || child.signalCode !== null,
      log,
      kill: () => {
        child.kill('SIGKILL');
        killIfThere(pid());
      },
    };
  } finally {
    await output.close();
  }
}

/** Returns the process that bwrap reports: `{"child-pid": NUMBER, …}`, written in one piece or several. */
export function reportedProcess(text: string): number | undefined {
  const number = /"child-pid": *(\d{1,10})\b[^\d]/.exec(text)?.[1];
  return number === undefined ? undefined : Number(number);
}

function killIfThere(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isSystemError(error, 'ESRCH')) throw error;
  }
}
