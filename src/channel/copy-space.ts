import { failure } from '../base/errors.ts';
import type { OpenDirectory } from '../base/open-directory.ts';
import { formatSize, GiB, MiB } from '../base/size.ts';

/** Copied bytes between two looks at the free space. */
const checkedBytes = 64 * MiB;
/** What an entry takes at least. */
const entryBytes = 4096;

/**
 * Returns a function that counts copied bytes: a guest cannot fill the host's disk. 5 % of the file system, at most 1 GB,
 * stay free. It throws HoldfastError `copy.space`.
 */
export function spaceGuard(directory: OpenDirectory): (bytes: number) => void {
  let unchecked: number = checkedBytes;
  return (bytes) => {
    unchecked += bytes + entryBytes;
    if (unchecked < checkedBytes) return;
    unchecked = 0;
    const { bsize, blocks, bavail } = directory.space();
    const reserve = Math.min(GiB, (blocks * bsize) / 20);
    if (bavail * bsize >= reserve) return;
    throw failure('copy.space', 'not enough disk space for the copy', {
      why: `${formatSize(bavail * bsize)} are free at the destination, ${formatSize(Math.ceil(reserve))} must stay free`,
      next: 'free disk space, or copy to a larger disk; the destination is unchanged',
    });
  };
}
