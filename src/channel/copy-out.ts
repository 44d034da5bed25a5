import { isUtf8 } from 'node:buffer';
import { describe, failure, HoldfastError } from '../base/errors.ts';
import { debug } from '../base/log.ts';
import type { OpenDirectory } from '../base/open-directory.ts';
import type { ProgressStep } from '../base/progress.ts';
import { ArchiveError } from '../tar/entry.ts';
import { explained, openDestination } from './copy-destination.ts';
import { itemName, type SkippedKind, TreeFilter } from './copy-filter.ts';
import { type CopyOptions, type CopyResult, resultOf } from './copy-options.ts';
import { type ArchiveSource, archiveSource, shownPath } from './copy-paths.ts';
import { spaceGuard } from './copy-space.ts';
import { makeStage } from './copy-stage.ts';
import {
  archiveCommand,
  copyError,
  isArchived,
  parseSizeLine,
  realPathCommand,
  sizeCommand,
  skippedSockets,
  startUnpack,
} from './copy-tar.ts';
import { meter, SinkClosed, transfer, withinIdle } from './copy-transfer.ts';
import type { CommandEnd, GuestCommand, StartCommand } from './guest.ts';
import { readTail, runToEnd } from './run.ts';

/**
 * Copies a file or directory from the guest to this host as `cp -r` does: into an existing
 * directory, or to a new name. The guest is not trusted: its archive is checked and encoded again
 * (`TreeFilter`), unpacked in a new directory that no other user can enter, and moved into place
 * without following links.
 * @throws HoldfastError `copy.failed`, `copy.destination`, `copy.link`, `copy.unsafe`, `copy.space`,
 *   `copy.stalled`, and what `start` throws; the signal's reason.
 */
export async function copyOut(
  start: StartCommand,
  guestPath: string,
  hostPath: string,
  options: CopyOptions,
): Promise<CopyResult> {
  const named = archiveSource(guestPath);
  const source = options.follow
    ? { ...(await realSource(start, guestPath, options)), base: named.base }
    : named;
  const filter = new TreeFilter({
    name: source.name,
    links: options.links,
    attributes: options.attributes,
    mode: undefined,
  });
  const destination = openDestination(hostPath, source.base);
  try {
    const stage = explained(hostPath, () => makeStage(destination.directory));
    try {
      await options.progress.step(`Copying :${guestPath}`, (step) =>
        unpack(start, source, stage.content, filter, step, options),
      );
      if (filter.isItemSkipped) throw notCopied(guestPath, filter.skipped[0]?.kind);
      if (!filter.hasItem) throw unsafe('it did not send the requested item');
      destination.place({ directory: stage.content, name: itemName });
      return resultOf(filter);
    } finally {
      stage.remove();
    }
  } finally {
    destination.close();
  }
}

async function unpack(
  start: StartCommand,
  source: ArchiveSource,
  directory: OpenDirectory,
  filter: TreeFilter,
  step: ProgressStep,
  { attributes, signal }: CopyOptions,
): Promise<void> {
  const measuring = new AbortController();
  const command = await start(archiveCommand(source, attributes));
  signal.addEventListener('abort', command.hangUp);
  try {
    signal.throwIfAborted();
    const tar = await startUnpack(directory.fd, attributes);
    const errors = readTail(command.stderr);
    if (command.stdin.writable) command.stdin.end(); // the guest's tar may have ended already
    const report = meter(step, guestSize(start, source, measuring.signal));
    const guard = spaceGuard(directory);
    const onContent = (bytes: number) => {
      guard(bytes);
      report(bytes);
    };
    const passed = await transfer(command.stdout, filter, tar.input, onContent).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    if (passed && !isEarlyEnd(passed.error)) command.hangUp();
    tar.input.end();
    const guestEnd = await endOf(command);
    const hostCode = await tar.ended;
    signal.throwIfAborted();
    if (hostCode !== 0 && (!passed || passed.error instanceof SinkClosed))
      throw copyError('cannot unpack the data from the guest', await tar.errors, 'host');
    if (passed && !isEarlyEnd(passed.error)) throw asFailure(passed.error);
    if ('error' in guestEnd) throw guestEnd.error;
    if ('signal' in guestEnd || !isArchived(guestEnd.code))
      throw copyError('cannot read the files to copy in the guest', await errors, 'guest');
    if (passed) throw asFailure(passed.error);
    for (const path of skippedSockets(await errors)) filter.addSkipped(path, 'socket');
  } finally {
    measuring.abort();
    signal.removeEventListener('abort', command.hangUp);
    command.hangUp();
  }
}

/** Returns whether the stream may have ended for a reason that the guest's exit code or the connection has. */
function isEarlyEnd(error: unknown): boolean {
  if (error instanceof ArchiveError) return error.isTruncated;
  return !(error instanceof HoldfastError || error instanceof SinkClosed);
}

function endOf(command: GuestCommand): Promise<CommandEnd | { readonly error: unknown }> {
  return withinIdle(command.ended, command.hangUp).catch((error: unknown) => ({ error }));
}

function asFailure(error: unknown): unknown {
  return error instanceof ArchiveError ? unsafe(error.message) : error;
}

/** Asks the guest where the links of a path lead. */
async function realSource(
  start: StartCommand,
  path: string,
  { signal }: CopyOptions,
): Promise<Pick<ArchiveSource, 'directory' | 'name'>> {
  const { stdout } = await runToEnd(start, realPathCommand(path), { signal, timeoutMs: 60_000 });
  const real = stdout.subarray(0, -1);
  if (!isUtf8(real) || real[0] !== 0x2f || stdout.indexOf(0) !== real.length) {
    throw failure('copy.failed', `cannot follow :${path}`, {
      why: `the guest says that it is ${shownPath(real.toString('latin1'))}`,
      next: 'name what it points to',
    });
  }
  return archiveSource(real.toString());
}

async function guestSize(
  start: StartCommand,
  source: ArchiveSource,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    return parseSizeLine(
      (await runToEnd(start, sizeCommand(source), { accept: [0, 1], signal })).stdout.toString(),
    );
  } catch (error) {
    debug('channel', `size not known: ${describe(error)}`);
    return undefined;
  }
}

function unsafe(why: string): HoldfastError {
  return failure('copy.unsafe', 'rejected the data from the guest', {
    why,
    next: 'copy it again; if it repeats, run `holdfast audit`, as the guest may have been changed',
  });
}

function notCopied(path: string, kind: SkippedKind | undefined): HoldfastError {
  if (kind !== 'link') {
    return failure('copy.kind', `cannot copy :${path}: it is a ${kind}`, {
      why: 'only files, directories and symbolic links are copied',
    });
  }
  return failure('copy.link', `cannot copy :${path}: it is a symbolic link that leads elsewhere`, {
    why: 'on this host it would lead to something that was not copied',
    next: 'copy what it points to with --follow, or the link itself with --links',
  });
}
