import { statfs } from 'node:fs/promises';
import { failure } from './errors.ts';
import { type Bytes, formatSize } from './size.ts';

/**
 * Makes sure that a file system has room before long work begins on it.
 * @param directory a directory on that file system.
 * @param purpose what the room is for, such as `the release`.
 * @throws HoldfastError `disk.full`.
 */
export async function requireSpace(directory: string, needed: Bytes, purpose: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= needed) return;
  throw failure('disk.full', `there is not enough room for ${purpose}`, {
    why: `${formatSize(needed)} are needed below ${directory}, and ${formatSize(bavail * bsize)} are free`,
    next: 'free some space, or set HOLDFAST_HOME to a directory on a larger disk',
  });
}
