import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { failure, isSystemError } from './errors.ts';
import { searchPath } from './find-program.ts';
import { debug, quoteCommand } from './log.ts';

/** At most so much of a program's output is kept: what runs away is cut, not buffered. */
const outputLimit = 64 * 1024 * 1024;

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Replaces the environment of this process. */
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Sees each line of standard error as it comes. */
  readonly onErrorLine?: (line: string) => void;
  /** Exit codes that are an answer, not a failure. Default: 0 only. */
  readonly accept?: readonly number[];
}

export interface RunResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * Runs a program to its end: argv only, never a shell.
 * @throws HoldfastError `process.missing` (not installed), `process.failed`, `process.timeout`, `process.aborted`.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = start(program, args, {
    stdio: 'pipe',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  const stdout: Buffer[] = [];
  let stdoutBytes = 0;
  let stderr = '';
  let partial = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdoutBytes += chunk.length;
    if (stdoutBytes <= outputLimit) stdout.push(chunk);
    else child.kill('SIGKILL');
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr = (stderr + chunk).slice(-64 * 1024);
    if (!options.onErrorLine) return;
    const lines = (partial + chunk).split(/\r?\n|\r/);
    partial = lines.pop() ?? '';
    for (const line of lines) options.onErrorLine(line);
  });
  child.stdin?.on('error', () => {}); // the program may close its input early
  child.stdin?.end(options.input ?? '');

  let stopped: 'timeout' | 'aborted' | undefined;
  const stop = (reason: 'timeout' | 'aborted') => {
    stopped ??= reason;
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 5000).unref();
  };
  const timer = options.timeoutMs ? setTimeout(stop, options.timeoutMs, 'timeout') : undefined;
  const onAbort = () => stop('aborted');
  options.signal?.addEventListener('abort', onAbort);
  if (options.signal?.aborted) onAbort();
  try {
    await started(child, program);
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    const line = quoteCommand(program, args);
    if (stopped === 'timeout') {
      throw failure('process.timeout', `${program} took too long`, {
        why: `no end after ${options.timeoutMs} ms: ${line}`,
      });
    }
    if (stopped === 'aborted') throw failure('process.aborted', `${program} was interrupted`);
    if (stdoutBytes > outputLimit)
      throw failure('process.failed', `${program} printed too much`, { why: line });
    if (code === null || !(options.accept ?? [0]).includes(code)) {
      const tail = stderr.trim().split('\n').slice(-3).join(' | ');
      throw failure('process.failed', `${program} failed (${signal ?? `exit code ${code}`})`, {
        why: tail || 'it printed no reason',
        next: `run it by hand to see more: ${line}`,
      });
    }
    return { code, stdout: Buffer.concat(stdout), stderr };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

/** Starts a program and hands over the child: for those that live on or stream. */
export function start(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  debug(quoteCommand(program, args));
  const environment = options.env ?? process.env;
  const env = { ...environment, PATH: searchPath(environment) };
  return spawn(program, args, { ...options, env, shell: false });
}

/**
 * Resolves once the program runs.
 * @throws HoldfastError `process.missing` when it is not installed, `process.failed` when it cannot be run.
 */
export async function started(child: ChildProcess, program: string): Promise<void> {
  if (child.pid !== undefined) return;
  const [error] = (await once(child, 'error', {})) as [Error];
  if (isSystemError(error, 'ENOENT')) {
    throw failure('process.missing', `${program} is not installed`, {
      why: 'it was not found on PATH',
      next: 'run `holdfast doctor` to see what is missing and how to get it',
      cause: error,
    });
  }
  throw failure('process.failed', `${program} could not be started`, { why: error.message, cause: error });
}
