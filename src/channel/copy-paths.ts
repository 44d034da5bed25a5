import { isUtf8 } from 'node:buffer';
import { posix } from 'node:path';
import { misuse } from '../base/errors.ts';

/**
 * One end of a copy. `:PATH` is in the guest; relative paths start at the home of the guest's user.
 */
export interface CopyPath {
  readonly side: 'host' | 'guest';
  readonly path: string;
}

/** What tar archives. */
export interface ArchiveSource {
  /** Links in its path are followed, also its last name. */
  readonly directory: string;
  /** Name of the item in the directory; `.` stands for the content of the directory. */
  readonly name: string;
  /** Name that the copy gets in a directory; undefined when only the content is copied into it. */
  readonly base: string | undefined;
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
  if (path.includes('\u{fffd}')) {
    throw misuse('copy.path', `invalid path '${word}'`, {
      why: 'only names below SRC may have bytes that are not UTF-8',
      next: 'copy the directory that contains it',
    });
  }
  return { side: isGuest ? 'guest' : 'host', path };
}

/**
 * Splits a path as cp does: its last name, or the content of the directory for `/` and paths ending in `.` or `..`. With
 * a slash at its end, it stands for a directory that a link may lead to.
 */
export function archiveSource(path: string): ArchiveSource {
  const normal = posix.normalize(path).replace(/(?<=.)\/$/, '');
  if (normal === '/' || /(^|\/)\.\.?\/*$/.test(path))
    return { directory: normal, name: '.', base: undefined };
  const base = posix.basename(normal);
  if (path.endsWith('/')) return { directory: normal, name: '.', base };
  return { directory: posix.dirname(normal), name: base, base };
}

/**
 * Returns a path for people: bytes that are not UTF-8, control characters and backslashes are escaped.
 * @param path its bytes, as latin1 text.
 */
export function shownPath(path: string): string {
  const bytes = Buffer.from(path, 'latin1');
  if (!isUtf8(bytes)) return path.replace(/[^!-[\]-~ ]/g, (byte) => `\\x${hexOf(byte).padStart(2, '0')}`);
  return bytes
    .toString()
    .replace(/[\p{C}\p{Zl}\p{Zp}\\]/gu, (character) =>
      character === '\\' ? '\\\\' : `\\u{${hexOf(character)}}`,
    );
}

function hexOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16);
}
