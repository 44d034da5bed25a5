import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { failure } from './errors.ts';

/**
 * Opens a file for reading that may be anything: a pipe would block for ever, and to open a device can have effects.
 * @throws HoldfastError `file.special` unless it is a regular file, or a link to one; Node's system errors.
 */
export async function openRegular(path: string): Promise<FileHandle> {
  requireRegular(path, await stat(path));
  // it may have been replaced meanwhile
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    requireRegular(path, await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function requireRegular(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory()
    ? 'a directory'
    : stats.isFIFO()
      ? 'a pipe'
      : stats.isSocket()
        ? 'a socket'
        : 'a device';
  throw failure('file.special', `cannot read ${path}: it is not a file`, {
    why: `it is ${kind}`,
    next: 'put the file in its place, or name another one',
  });
}
