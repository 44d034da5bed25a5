import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { failure, type HoldfastError } from '../base/errors.ts';
import { start, started } from '../base/process.ts';
import type { ArchiveSource } from './copy-paths.ts';
import { printable, readTail } from './run.ts';

/**
 * Successful exit codes of GNU tar. 1 means that a file changed while it was read, which cp would
 * not notice.
 */
const archivedCodes: readonly (number | null)[] = [0, 1];

/** Reads and writes 64 KB at once instead of 10: each call costs much in an emulated guest. */
const blockingFlag = '--blocking-factor=128';

/** Only attributes of this namespace are copied, and only if asked. */
const attributeFlags = ['--xattrs', '--xattrs-include=user.*'];

/**
 * Returns the command that archives a source to its output, on either side: in the form that
 * `ArchiveReader` reads, with holes left out, and with messages in English. Names are taken
 * literally. Pipes and devices are not opened.
 */
export function archiveCommand(
  { directory, name }: ArchiveSource,
  isWithAttributes: boolean,
): [program: string, ...args: string[]] {
  return [
    'env',
    'LC_ALL=C',
    'tar',
    '--create',
    '--file=-',
    blockingFlag,
    '--format=posix',
    '--pax-option=delete=atime,delete=ctime',
    '--sparse',
    '--sparse-version=1.0',
    '--no-unquote',
    ...(isWithAttributes ? attributeFlags : []),
    `--directory=${directory}`,
    '--',
    name,
  ];
}

/**
 * Returns tar's arguments for unpacking its input into a new directory, which is still to be named,
 * on either side. Files belong to the current user, and the process's umask counts. Directories get
 * their modes last, since links follow everything else.
 */
export function unpackArguments(isWithAttributes: boolean): string[] {
  return [
    '--extract',
    '--file=-',
    blockingFlag,
    '--no-same-owner',
    '--no-same-permissions',
    '--delay-directory-restore',
    ...(isWithAttributes ? attributeFlags : []),
  ];
}

/** Returns the command that prints where all links of a path lead, and a NUL. */
export function realPathCommand(path: string): [program: string, ...args: string[]] {
  return ['realpath', '--canonicalize-existing', '--zero', '--', path];
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

/** Returns the sockets that tar left out: it prints their names, with unprintable bytes escaped. */
export function skippedSockets(errors: string): string[] {
  return [...errors.matchAll(/^tar: (.*): socket ignored$/gm)].map(([, path = '']) => printable(path));
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
export async function startArchive(
  source: ArchiveSource,
  isWithAttributes: boolean,
): Promise<HostTar & { readonly output: Readable }> {
  const [program, ...args] = archiveCommand(source, isWithAttributes);
  const child = startTar(program, args);
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

/** Starts unpacking into a new directory, which it inherits open. @throws HoldfastError `process.missing`. */
export async function startUnpack(
  directory: number,
  isWithAttributes: boolean,
): Promise<HostTar & { readonly input: Writable }> {
  const child = startTar(
    'tar',
    [...unpackArguments(isWithAttributes), '--directory=/proc/self/fd/3'],
    directory,
  );
  await started(child, 'tar');
  child.stdin.on('error', () => {}); // the exit code reports failures
  child.stdout.resume();
  return { ...hostTar(child), input: child.stdin };
}

/** Starts tar without the user's settings and with messages in English. */
function startTar(
  program: string,
  args: readonly string[],
  ...inherited: readonly number[]
): ChildProcessWithoutNullStreams {
  const env = { PATH: process.env.PATH, LC_ALL: 'C' };
  return start(program, args, {
    stdio: ['pipe', 'pipe', 'pipe', ...inherited],
    env,
  }) as ChildProcessWithoutNullStreams;
}

function hostTar(child: ChildProcessWithoutNullStreams): HostTar {
  return {
    ended: new Promise((resolve) => child.once('close', resolve)),
    errors: readTail(child.stderr),
    kill: () => void child.kill(),
  };
}

/**
 * Returns the failure of a program in the guest or on this host.
 * @param errors its standard error, whose first line is the reason.
 */
export function copyError(what: string, errors: string, side: 'guest' | 'host'): HoldfastError {
  const lines = errors
    .split('\n')
    .filter((line) => line !== '' && !line.includes('Exiting with failure status'));
  return failure('copy.failed', what, {
    why: printable(lines[0] ?? 'it printed no reason'),
    next:
      side === 'guest' && errors.includes('Permission denied')
        ? 'copy as root with --root; the destination is unchanged'
        : 'fix the problem and copy again; the destination is unchanged',
  });
}
