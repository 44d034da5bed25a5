import { statfs } from 'node:fs/promises';
import { failure } from './errors.ts';
import { type Bytes, formatSize } from './size.ts';

/**
 * Makes sure that a file system has room before long work begins on it.
 * @param folder a folder on that file system.
 * @param purpose what the room is for, such as `the release`.
 * @throws HoldfastError `disk.full`.
 */
export async function requireSpace(folder: string, needed: Bytes, purpose: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= needed) return;
  throw failure('disk.full', `there is not enough room for ${purpose}`, {
    why: `${formatSize(needed)} are needed below ${folder}, and ${formatSize(bavail * bsize)} are free`,
    next: 'free some space, or set HOLDFAST_HOME to a folder on a larger disk',
  });
}
