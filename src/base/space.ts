import { statfs } from 'node:fs/promises';
import { failure } from './errors.ts';
import { type Bytes, formatSize } from './size.ts';

/**
 * Checks that a file system has enough free space before a long operation starts.
 * @param directory a directory on that file system.
 * @param purpose what the space is for, such as `the release`.
 * @throws HoldfastError `disk.full`.
 */
export async function requireSpace(directory: string, needed: Bytes, purpose: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= needed) return;
  throw failure('disk.full', `not enough disk space for ${purpose}`, {
    why: `${formatSize(needed)} are needed in ${directory}, ${formatSize(bavail * bsize)} are free`,
    next: 'free disk space, or set HOLDFAST_HOME to a directory on a larger disk',
  });
}
