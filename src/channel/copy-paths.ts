import { posix } from 'node:path';
import { misuse } from '../base/errors.ts';

/**
 * One end of a copy. `:PATH` is in the guest; relative paths start at the home of the guest's user.
 */
export interface CopyPath {
  readonly side: 'host' | 'guest';
  readonly path: string;
}

/** The arguments that select what tar archives. */
export interface ArchiveSource {
  readonly directory: string;
  /** Name of the item in the directory; `.` stands for the content of the directory. */
  readonly name: string;
}

/**
 * Parses an argument of `copy`.
 * @throws HoldfastError `copy.path` for an empty path, or one with a NUL.
 */
export function parseCopyPath(word: string): CopyPath {
  const isGuest = word.startsWith(':');
  const path = isGuest ? word.slice(1) || '.' : word;
  if (path === '' || path.includes('\0')) {
    throw misuse('copy.path', `invalid path '${word}'`, {
      next: 'write a path on this host, or a path in the guest with a leading colon, such as :notes.txt',
    });
  }
  return { side: isGuest ? 'guest' : 'host', path };
}

/**
 * Splits a path as cp does: its last name, or the content of the directory for `/` and paths ending
 * in `.` or `..`.
 */
export function archiveSource(path: string): ArchiveSource {
  const normal = posix.normalize(path).replace(/(?<=.)\/$/, '');
  if (normal === '/' || /(^|\/)\.\.?\/*$/.test(path)) return { directory: normal, name: '.' };
  return { directory: posix.dirname(normal), name: posix.basename(normal) };
}
