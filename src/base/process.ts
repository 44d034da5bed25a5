import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { failure, type HoldfastError, isSystemError } from './errors.ts';
import { searchPath } from './find-program.ts';
import { debug } from './log.ts';
import { quoteCommand } from './shell-quote.ts';

/** Limit for a program's standard output in bytes; a program that exceeds it is killed. */
const outputLimit = 64 * 1024 * 1024;
/** Characters of standard error that are retained, from its end. */
const stderrLimit = 64 * 1024;
/** Time between SIGTERM and SIGKILL. */
const killAfterMs = 5000;

export interface ProcessOptions {
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Replaces the environment of this process. */
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Called with each line of standard error as it arrives. */
  readonly onErrorLine?: (line: string) => void;
  /** Exit codes that are not failures. Default: 0 only. */
  readonly accept?: readonly number[];
}

export interface RunResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * Runs a program to its end: argv only, never a shell.
 * @throws HoldfastError `process.missing` (not installed), `process.failed`, `process.timeout`,
 *   `process.aborted`.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<RunResult> {
  const child = start(program, args, {
    stdio: 'pipe',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  const output = collectOutput(child, options.onErrorLine);
  child.stdin?.on('error', () => {}); // the program may close its input early
  child.stdin?.end(options.input ?? '');
  const limits = stopWhenDue(child, options);
  try {
    await started(child, program);
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    const line = quoteCommand(program, args);
    if (limits.stopped === 'timeout') {
      throw failure('process.timeout', `${program} timed out`, {
        why: `it was still running after ${options.timeoutMs} ms: ${line}`,
      });
    }
    if (limits.stopped === 'aborted') throw failure('process.aborted', `${program} was interrupted`);
    if (output.isTooLong())
      throw failure('process.failed', `${program} failed: its output exceeds ${outputLimit} bytes`, {
        why: line,
      });
    if (code === null || !(options.accept ?? [0]).includes(code)) {
      throw failure('process.failed', `${program} failed (${signal ?? `exit code ${code}`})`, {
        why: output.stderr().trim().split('\n').slice(-3).join(' | ') || 'it printed no reason',
        next: `run it by hand to see more: ${line}`,
      });
    }
    return { code, stdout: output.stdout(), stderr: output.stderr() };
  } finally {
    limits.clear();
  }
}

/**
 * Collects what a child prints. Kills it when standard output exceeds the limit; keeps the end of
 * standard error.
 */
function collectOutput(child: ChildProcess, onErrorLine?: (line: string) => void) {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let stderr = '';
  let partial = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= outputLimit) chunks.push(chunk);
    else child.kill('SIGKILL');
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr = (stderr + chunk).slice(-stderrLimit);
    if (!onErrorLine) return;
    const lines = (partial + chunk).split(/\r?\n|\r/);
    partial = lines.pop() ?? '';
    for (const line of lines) onErrorLine(line);
  });
  return {
    stdout: () => Buffer.concat(chunks),
    stderr: () => stderr,
    isTooLong: () => bytes > outputLimit,
  };
}

/** Terminates a child when its time is up or the signal is aborted: SIGTERM, then SIGKILL. */
function stopWhenDue(
  child: ChildProcess,
  { timeoutMs, signal }: Pick<ProcessOptions, 'timeoutMs' | 'signal'>,
) {
  let stopped: 'timeout' | 'aborted' | undefined;
  const stop = (reason: 'timeout' | 'aborted') => {
    stopped ??= reason;
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), killAfterMs).unref();
  };
  const timer = timeoutMs ? setTimeout(stop, timeoutMs, 'timeout') : undefined;
  const onAbort = () => stop('aborted');
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  return {
    get stopped() {
      return stopped;
    },
    clear: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}

/**
 * Starts a program and returns the child process, for programs that keep running or stream data.
 */
export function start(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  debug('process', quoteCommand(program, args));
  const environment = options.env ?? process.env;
  const env = { ...environment, PATH: searchPath(environment) };
  return spawn(program, args, { ...options, env, shell: false });
}

/** Returns the error for a program that is not installed: `process.missing`. */
export function notInstalled(program: string, cause?: Error): HoldfastError {
  return failure('process.missing', `cannot run ${program}: it is not installed`, {
    why: 'it was not found in PATH',
    next: 'run `holdfast doctor` for the missing packages and how to install them',
    cause,
  });
}

/**
 * Resolves once the program is running.
 * @throws HoldfastError `process.missing` when it is not installed, `process.failed` when it cannot
 *   be executed.
 */
export async function started(child: ChildProcess, program: string): Promise<void> {
  if (child.pid !== undefined) return;
  const [error] = (await once(child, 'error', {})) as [Error];
  if (isSystemError(error, 'ENOENT')) throw notInstalled(program, error);
  throw failure('process.failed', `cannot start ${program}`, { why: error.message, cause: error });
}
