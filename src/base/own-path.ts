import type { Stats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { failure, isSystemError } from './errors.ts';

/*
 * A user who can write a directory can replace everything below it, and its owner can make it writable. So what only this user may
 * change must be below directories of this user and of root. POSIX access control lists need no look of their own: while there
 * is one, the group bits of the mode are its mask, which limits all users and groups that it names (acl(5)).
 */

/** Limit for symbolic links in a path, as in Linux (path_resolution(7)). */
const mostLinks = 40;

/**
 * Returns why another user could change what is at a path, or undefined. Checks each directory, each symbolic link and the path
 * itself as far as they exist. In a directory with the sticky bit, such as /tmp, a user can replace only files of their own.
 */
export async function exposureOf(path: string): Promise<string | undefined> {
  const pending = resolve(path).split('/').filter(Boolean);
  let directory = '/';
  let problem = problemOf(directory, await lstat(directory), pending.length > 0);
  for (let links = 0; problem === undefined; ) {
    const name = pending.shift();
    if (name === undefined) return undefined;
    if (name === '..') {
      directory = dirname(directory);
      continue;
    }
    const here = join(directory, name);
    const found = await lstat(here).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return undefined;
      throw error;
    });
    if (!found) return undefined;
    problem = problemOf(here, found, pending.length > 0);
    if (!found.isSymbolicLink()) {
      directory = here;
    } else if (problem === undefined) {
      if (++links > mostLinks) return `${path} has too many symbolic links`;
      const target = await readlink(here);
      if (target.startsWith('/')) directory = '/';
      pending.unshift(...target.split('/').filter((each) => each !== '' && each !== '.'));
    }
  }
  return problem;
}

/** Returns whether only this user and root can change what belongs to a user. */
export function isOwnUser(user: number): boolean {
  return user === 0 || user === process.getuid?.();
}

/**
 * Checks that no other user can change what is at a path.
 * @throws HoldfastError `file.exposed`.
 */
export async function requireOwnPath(path: string): Promise<void> {
  const why = await exposureOf(path);
  if (why === undefined) return;
  const isSudo = process.getuid?.() === 0 && process.env.SUDO_UID !== undefined;
  throw failure('file.exposed', `cannot keep keys in ${path}: other users could replace them`, {
    why,
    next: `${isSudo ? 'run it without sudo, ' : 'correct owner and mode after a look at what is there, '}or use another directory, with HOLDFAST_HOME for example`,
  });
}

function problemOf(path: string, found: Stats, isAbove: boolean): string | undefined {
  if (!isOwnUser(found.uid)) return `${path} belongs to user ${found.uid}`;
  const isSticky = isAbove && (found.mode & 0o1000) !== 0;
  if (found.isSymbolicLink() || (found.mode & 0o022) === 0 || isSticky) return undefined;
  return `${path} can be written by other users (mode ${(found.mode & 0o7777).toString(8).padStart(4, '0')})`;
}
