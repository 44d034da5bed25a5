import { posix } from 'node:path';
import { misuse } from '../base/errors.ts';

/** One end of a copy. `:PATH` is in the guest, and relative to the home of its user. */
export interface Place {
  readonly side: 'host' | 'guest';
  readonly path: string;
}

/** What tar is told to archive. */
export interface Source {
  readonly directory: string;
  /** Of the file or directory in it; `.` stands for all that the directory has. */
  readonly name: string;
}

/** @throws HoldfastError `copy.path` for an empty path, or one with a NUL. */
export function parsePlace(word: string): Place {
  const isGuest = word.startsWith(':');
  const path = isGuest ? word.slice(1) || '.' : word;
  if (path === '' || path.includes('\0')) {
    throw misuse('copy.path', `'${word}' is not a path`, {
      next: 'write a path on this host, or one in the guest with a colon before it, such as :notes.txt',
    });
  }
  return { side: isGuest ? 'guest' : 'host', path };
}

/** As cp reads it: the last name, or for `/` and what ends in `.` or `..` all that is in there. */
export function sourceOf(path: string): Source {
  const normal = posix.normalize(path).replace(/(?<=.)\/$/, '');
  if (normal === '/' || /(^|\/)\.\.?\/*$/.test(path)) return { directory: normal, name: '.' };
  return { directory: posix.dirname(normal), name: posix.basename(normal) };
}
