import { chmod, lstat, mkdir, mkdtemp, opendir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { describe, failure, isSystemError } from '../base/errors.ts';
import { debug } from '../base/log.ts';
import { run } from '../base/process.ts';
import type { Progress, ProgressStep } from '../base/progress.ts';
import { type ArchiveSource, archiveSource } from './copy-paths.ts';
import {
  archiveArguments,
  copyError,
  isArchived,
  meter,
  parseSizeLine,
  sizeCommand,
  startUnpack,
} from './copy-tar.ts';
import type { StartCommand } from './guest.ts';
import { readTail, runToEnd } from './run.ts';

/**
 * Copies a file or directory from the guest to this host as `cp -r` does: into an existing
 * directory, or to a new name. The guest is not trusted: its archive is unpacked in a new directory
 * that no other user can enter. From there only the requested item is moved into place, and only if
 * it consists of files, directories and symbolic links.
 * @throws HoldfastError `copy.failed`, `copy.destination`, `copy.unsafe`, and what `start` throws;
 *   the signal's reason.
 */
export async function copyOut(
  start: StartCommand,
  guestPath: string,
  hostPath: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const source = archiveSource(guestPath);
  const isInto = await isDirectory(hostPath);
  const target = isInto ? resolve(hostPath, source.name) : resolve(hostPath);
  const stage = await makeStage(dirname(target));
  try {
    const directory = join(stage, 'new');
    await mkdir(directory);
    await progress.step(`Copying :${guestPath}`, (step) => unpack(start, source, directory, step, signal));
    const item = join(directory, source.name);
    await checkKinds(item);
    if (!isInto && hostPath.endsWith('/') && !(await lstat(item)).isDirectory())
      throw notWritten(hostPath, 'it is not a directory');
    // the dot makes cp follow a link that the user named, but not a link of that name inside the directory
    await moveInto(item, source.name === '.' && isInto ? `${target}/.` : target);
  } finally {
    await removeStage(stage);
  }
}

async function unpack(
  start: StartCommand,
  source: ArchiveSource,
  directory: string,
  step: ProgressStep,
  signal: AbortSignal,
): Promise<void> {
  const measuring = new AbortController();
  const command = await start(['tar', ...archiveArguments(source)]);
  signal.addEventListener('abort', command.hangUp);
  try {
    signal.throwIfAborted();
    const tar = await startUnpack(directory);
    const errors = readTail(command.stderr);
    if (command.stdin.writable) command.stdin.end(); // the guest's tar may have ended already
    command.stdout.pipe(tar.input);
    command.stdout.once('close', () => tar.input.end()); // also after an interruption
    tar.input.once('close', () => command.stdout.resume()); // tar may end at the archive's end mark, before the stream ends
    meter(command.stdout, step, guestSize(start, source, measuring.signal));
    let isFull = false;
    const [hostCode, guestEnd] = await Promise.all([
      tar.ended.then((code) => {
        isFull = code !== 0 && !command.stdout.readableEnded;
        if (isFull) command.hangUp();
        return code;
      }),
      command.ended.catch((error: unknown) => ({ error })),
    ]);
    signal.throwIfAborted();
    if ('error' in guestEnd && !isFull) throw guestEnd.error;
    if ('signal' in guestEnd || ('code' in guestEnd && !isArchived(guestEnd.code))) {
      throw copyError('cannot read the files to copy in the guest', await errors);
    }
    if (hostCode !== 0) throw copyError('cannot unpack the data from the guest', await tar.errors);
  } finally {
    measuring.abort();
    signal.removeEventListener('abort', command.hangUp);
    command.hangUp();
  }
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

/**
 * Creates a directory next to the destination, so that moving is a rename. mkdtemp gives it mode
 * 0700.
 */
async function makeStage(parent: string): Promise<string> {
  try {
    return await mkdtemp(join(parent, '.holdfast-copy.'));
  } catch (error) {
    throw notWritten(parent, describe(error));
  }
}

async function removeStage(stage: string): Promise<void> {
  try {
    await rm(stage, { recursive: true, force: true });
  } catch (error) {
    if (!isSystemError(error, 'EACCES')) throw error;
    await run('chmod', ['-R', 'u+rwX', '--', stage]); // copied directories can lack write permission
    await rm(stage, { recursive: true, force: true });
  }
}

/** Rejects device files, which tar creates if this process is root, sockets and pipes. */
async function checkKinds(item: string): Promise<void> {
  const found = await lstat(item).catch(() => undefined);
  if (!found) throw unsafe('the guest did not send the requested item');
  if (found.isFile() || found.isSymbolicLink()) return;
  if (!found.isDirectory()) throw unsafe('the guest sent a device, socket or pipe');
  for await (const entry of await opendir(item)) {
    if (entry.isFile() || entry.isSymbolicLink()) continue;
    await checkKinds(join(item, entry.name));
  }
}

function unsafe(why: string) {
  return failure('copy.unsafe', 'rejected the data from the guest', {
    why,
    next: 'copy only files and directories, or archive with `holdfast exec -- tar -c …`',
  });
}

async function moveInto(item: string, target: string): Promise<void> {
  try {
    const found = await lstat(item);
    if (found.isDirectory() && (await isDirectory(target))) {
      await run('cp', ['--archive', '--remove-destination', '--no-target-directory', '--', item, target]);
    } else if (found.isDirectory()) {
      await chmod(item, found.mode | 0o200); // required for moving it
      await rename(item, target);
      await chmod(target, found.mode);
    } else {
      await rename(item, target);
    }
  } catch (error) {
    throw notWritten(target, describe(error));
  }
}

function notWritten(path: string, why: string) {
  return failure('copy.destination', `cannot write ${path}`, {
    why,
    next: 'choose a destination on this host that you can write to',
  });
}

/** Returns true for a directory or a symbolic link to one. */
async function isDirectory(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}
