import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { failure, type HoldfastError } from '../base/errors.ts';
import { start, started } from '../base/process.ts';
import type { ProgressStep } from '../base/progress.ts';
import type { Source } from './copy-paths.ts';
import { printable, readTail } from './run.ts';

/** GNU tar's exit codes: 1 says that a file changed while it was read, which cp would not notice. */
const archivedCodes: readonly (number | null)[] = [0, 1];

/** How tar archives a source to its output, on either side. Names are names, whatever is in them. */
export function archiveArguments({ directory, name }: Source): string[] {
  return ['--create', '--file=-', '--no-unquote', `--directory=${directory}`, '--', name];
}

/**
 * How tar unpacks its input into a directory, on either side. It makes every file the user's own, without set-user-id bits,
 * and keeps names that would lead out of the directory inside: absolute ones, `..`, and those through symbolic links (GNU
 * tar's manual, "Security rules of thumb", asks for a fresh directory; ours is).
 */
export function unpackArguments(directory: string): string[] {
  return ['--extract', '--file=-', `--directory=${directory}`, '--no-same-owner', '--no-same-permissions'];
}

/** How du tells the size of a source, for showing how far a copy is. */
export function sizeCommand({ directory, name }: Source): [program: string, ...args: string[]] {
  return ['du', '--summarize', '--apparent-size', '--block-size=1', '--', `${directory}/${name}`];
}

/** What du said; undefined when it said nothing of use. */
export function parseSizeLine(text: string): number | undefined {
  const size = Number(/^(\d{1,15})\t/.exec(text)?.[1]);
  return Number.isNaN(size) ? undefined : size;
}

export function isArchived(code: number | null): boolean {
  return archivedCodes.includes(code);
}

/** tar at work on this host. */
export interface HostTar {
  /** The exit code once all output was read; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** What it says went wrong. */
  readonly said: Promise<string>;
  kill(): void;
}

/** @throws HoldfastError `process.missing`. */
export async function startArchive(source: Source): Promise<HostTar & { readonly output: Readable }> {
  const child = startTar(archiveArguments(source));
  await started(child, 'tar');
  child.stdin.end();
  return {
    ...hostTar(child),
    output: child.stdout,
    kill: () => {
      child.kill();
      child.stdout.destroy(); // or its end would wait for a reader
    },
  };
}

/** Modes come out as they are in the archive. @throws HoldfastError `process.missing`. */
export async function startUnpack(directory: string): Promise<HostTar & { readonly input: Writable }> {
  const before = process.umask(0);
  const child = startTar(unpackArguments(directory));
  process.umask(before);
  await started(child, 'tar');
  child.stdin.on('error', () => {}); // it tells by its exit code
  child.stdout.resume();
  return { ...hostTar(child), input: child.stdin };
}

/** Settings of the user do not change what tar does, and its messages are in English. */
function startTar(args: readonly string[]): ChildProcessWithoutNullStreams {
  const env = { PATH: process.env.PATH, LC_ALL: 'C' };
  return start('tar', args, { stdio: 'pipe', env }) as ChildProcessWithoutNullStreams;
}

function hostTar(child: ChildProcessWithoutNullStreams): HostTar {
  return {
    ended: new Promise((resolve) => child.once('close', resolve)),
    said: readTail(child.stderr),
    kill: () => void child.kill(),
  };
}

/** Tells a step how many bytes have passed; `size` comes when it is known. */
export function meter(stream: Readable, step: ProgressStep, size: Promise<number | undefined>): void {
  let done = 0;
  let total: number | undefined;
  void size.then((bytes) => {
    total = bytes;
  });
  stream.on('data', (chunk: Buffer) => {
    done += chunk.length;
    // headers and padding of the archive count too
    step.update({
      done: Math.min(done, total ?? done),
      ...(total !== undefined && { total }),
      unit: 'bytes',
    });
  });
}

/** @param said what the program on the side that failed printed; its first line tells why. */
export function copyError(what: string, said: string): HoldfastError {
  const lines = said
    .split('\n')
    .filter((line) => line !== '' && !line.includes('Exiting with failure status'));
  return failure('copy.failed', what, {
    why: printable(lines[0] ?? 'it printed no reason'),
    next: 'nothing was changed; mend that and copy again',
  });
}
