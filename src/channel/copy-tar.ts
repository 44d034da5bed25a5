import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { failure, type HoldfastError } from '../base/errors.ts';
import { start, started } from '../base/process.ts';
import type { ProgressStep } from '../base/progress.ts';
import type { ArchiveSource } from './copy-paths.ts';
import { printable, readTail } from './run.ts';

/**
 * Successful exit codes of GNU tar. 1 means that a file changed while it was read, which cp would
 * not notice.
 */
const archivedCodes: readonly (number | null)[] = [0, 1];

/**
 * Returns tar's arguments for archiving a source to its output, on either side. Names are taken
 * literally.
 */
export function archiveArguments({ directory, name }: ArchiveSource): string[] {
  return ['--create', '--file=-', '--no-unquote', `--directory=${directory}`, '--', name];
}

/**
 * Returns tar's arguments for unpacking its input into a directory, on either side. Files belong to
 * the current user and have no set-user-id bits. Names that would lead out of the directory stay
 * inside it: absolute names, `..`, and names through symbolic links. This requires a new directory
 * (GNU tar's manual, "Security rules of thumb").
 */
export function unpackArguments(directory: string): string[] {
  return ['--extract', '--file=-', `--directory=${directory}`, '--no-same-owner', '--no-same-permissions'];
}

/** Returns the du command that measures a source, for the progress of a copy. */
export function sizeCommand({ directory, name }: ArchiveSource): [program: string, ...args: string[]] {
  return ['du', '--summarize', '--apparent-size', '--block-size=1', '--', `${directory}/${name}`];
}

/** Parses the output of du; undefined if it is malformed. */
export function parseSizeLine(text: string): number | undefined {
  const size = Number(/^(\d{1,15})\t/.exec(text)?.[1]);
  return Number.isNaN(size) ? undefined : size;
}

export function isArchived(code: number | null): boolean {
  return archivedCodes.includes(code);
}

/** A running tar on this host. */
export interface HostTar {
  /** The exit code, once all output was read; null when a signal ended tar. */
  readonly ended: Promise<number | null>;
  /** The end of its standard error. */
  readonly errors: Promise<string>;
  kill(): void;
}

/** Starts archiving. @throws HoldfastError `process.missing`. */
export async function startArchive(source: ArchiveSource): Promise<HostTar & { readonly output: Readable }> {
  const child = startTar(archiveArguments(source));
  await started(child, 'tar');
  child.stdin.end();
  return {
    ...hostTar(child),
    output: child.stdout,
    kill: () => {
      child.kill();
      child.stdout.destroy(); // otherwise its end waits for a reader
    },
  };
}

/** Starts unpacking, with modes as in the archive. @throws HoldfastError `process.missing`. */
export async function startUnpack(directory: string): Promise<HostTar & { readonly input: Writable }> {
  const before = process.umask(0);
  const child = startTar(unpackArguments(directory));
  process.umask(before);
  await started(child, 'tar');
  child.stdin.on('error', () => {}); // the exit code reports failures
  child.stdout.resume();
  return { ...hostTar(child), input: child.stdin };
}

/** Starts tar without the user's settings and with messages in English. */
function startTar(args: readonly string[]): ChildProcessWithoutNullStreams {
  const env = { PATH: process.env.PATH, LC_ALL: 'C' };
  return start('tar', args, { stdio: 'pipe', env }) as ChildProcessWithoutNullStreams;
}

function hostTar(child: ChildProcessWithoutNullStreams): HostTar {
  return {
    ended: new Promise((resolve) => child.once('close', resolve)),
    errors: readTail(child.stderr),
    kill: () => void child.kill(),
  };
}

/** Reports the bytes that pass through a stream to a progress step. */
export function meter(stream: Readable, step: ProgressStep, size: Promise<number | undefined>): void {
  let done = 0;
  let total: number | undefined;
  void size.then((bytes) => {
    total = bytes;
  });
  stream.on('data', (chunk: Buffer) => {
    done += chunk.length;
    // the stream also has the headers and padding of the archive
    step.update({
      done: Math.min(done, total ?? done),
      ...(total !== undefined && { total }),
      unit: 'bytes',
    });
  });
}

/** @param errors standard error of the program that failed; its first line is the reason. */
export function copyError(what: string, errors: string): HoldfastError {
  const lines = errors
    .split('\n')
    .filter((line) => line !== '' && !line.includes('Exiting with failure status'));
  return failure('copy.failed', what, {
    why: printable(lines[0] ?? 'it printed no reason'),
    next: 'fix the problem and copy again; the destination is unchanged',
  });
}
