import { constants } from 'node:fs';
import { lchown, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, isSystemError } from '../base/errors.ts';

/** Not through a link, and without a wait for the other end of a FIFO. */
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Gives a file or directory to a user and the group of the same number. No-op when it does not exist: the program that needs it
 * reports that.
 * @throws HoldfastError `sandbox.file` when the path is a link, or anything else than a file or directory.
 */
export async function giveFile(path: string, owner: number): Promise<void> {
  try {
    const handle = await open(path, flags);
    try {
      const found = await handle.stat();
      if (!found.isFile() && !found.isDirectory()) throw unsuitable(path, 'it is no file');
      if (found.uid !== owner || found.gid !== owner) await handle.chown(owner, owner);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    if (isSystemError(error, 'ELOOP')) throw unsuitable(path, 'it is a symbolic link');
    throw error;
  }
}

/** Gives a directory and its files to a user. Links in it are not followed: the user may have made them. */
export async function giveDirectory(path: string, owner: number): Promise<void> {
  await giveFile(path, owner);
  for (const name of await readdir(path)) await lchown(join(path, name), owner, owner);
}

function unsuitable(path: string, why: string) {
  return failure('sandbox.file', `cannot give ${path} to the user of its machine`, {
    why,
    next: 'put the file itself there; to have it on another disk, move HOLDFAST_HOME',
  });
}
