import { renameSync, type Stats } from 'node:fs';
import type { ByteName, OpenDirectory } from '../base/open-directory.ts';
import { shownPath } from './copy-paths.ts';

/** A name in an open directory. */
export interface Place {
  readonly directory: OpenDirectory;
  readonly name: ByteName;
}

/** Something at the destination is in the way. */
export class PlaceError extends Error {}

/**
 * Moves an item to its place, never through a link: files and links are replaced, directories merged. An existing
 * directory keeps its mode. Nothing is moved when something is in the way.
 * @throws PlaceError; Node's system errors.
 */
export function placeItem(from: Place, to: Place): void {
  check(from, to, shownPath(to.name));
  move(from, to);
}

/** Moves the content of a directory into another, as `placeItem` does. */
export function placeContent(from: OpenDirectory, to: OpenDirectory): void {
  checkAll(from, to, '');
  moveAll(from, to);
}

function check(from: Place, to: Place, path: string): void {
  const old = to.directory.find(to.name);
  if (!old) return;
  const isDirectory = from.directory.find(from.name)?.isDirectory() ?? false;
  checkReplaceable(isDirectory, old, path);
  if (isDirectory) inBoth(from, to, (source, target) => checkAll(source, target, `${path}/`));
}

function checkAll(from: OpenDirectory, to: OpenDirectory, path: string): void {
  if (from.stat().dev !== to.stat().dev)
    throw new PlaceError(`${path || 'it'} is another file system: copy into it by its own path`);
  from.chmod(0o700); // nothing can be moved out otherwise; it is removed afterwards
  for (const name of from.names())
    check({ directory: from, name }, { directory: to, name }, path + shownPath(name));
}

function checkReplaceable(isDirectory: boolean, old: Stats, path: string): void {
  if (isDirectory && old.isSymbolicLink())
    throw new PlaceError(`${path} is a symbolic link in the place of a directory, and is not followed`);
  if (isDirectory && !old.isDirectory()) throw new PlaceError(`${path} is not a directory`);
  if (!isDirectory && old.isDirectory()) throw new PlaceError(`${path} is a directory`);
  if (!isDirectory && !old.isFile() && !old.isSymbolicLink())
    throw new PlaceError(`${path} is a device, pipe or socket`);
}

function move(from: Place, to: Place): void {
  const isDirectory = from.directory.find(from.name)?.isDirectory() ?? false;
  if (!isDirectory) rename(from, to);
  else if (!to.directory.find(to.name)) moveDirectory(from, to);
  else inBoth(from, to, moveAll);
}

function moveAll(from: OpenDirectory, to: OpenDirectory): void {
  for (const name of from.names()) move({ directory: from, name }, { directory: to, name });
}

function moveDirectory(from: Place, to: Place): void {
  const directory = from.directory.child(from.name);
  try {
    const mode = directory.stat().mode & 0o7777;
    directory.chmod(mode | 0o200); // required for moving it
    rename(from, to);
    directory.chmod(mode);
  } finally {
    directory.close();
  }
}

/** Renames over what has the name: rename(2) does not follow a link there. */
function rename(from: Place, to: Place): void {
  renameSync(from.directory.path(from.name), to.directory.path(to.name));
}

function inBoth(from: Place, to: Place, work: (source: OpenDirectory, target: OpenDirectory) => void): void {
  const source = from.directory.child(from.name);
  try {
    const target = to.directory.child(to.name);
    try {
      work(source, target);
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}
