import { statSync } from 'node:fs';
import { posix } from 'node:path';
import { failure, type HoldfastError } from '../base/errors.ts';
import { OpenDirectory } from '../base/open-directory.ts';
import { type Place, PlaceError, placeContent, placeItem } from './copy-place.ts';

/** The place on this host that a user named, opened before anything is copied. */
export interface Destination {
  /** The directory to make a stage in: on the file system of the destination. */
  readonly directory: OpenDirectory;
  /** Moves an item there. @throws HoldfastError `copy.destination`. */
  place(item: Place): void;
  close(): void;
}

/**
 * Opens a destination as cp does: an existing directory to copy into, or a new name. Links are followed on the way to
 * its last name. The last name is followed only with a slash at its end: an earlier copy can have brought a link there.
 * @param base name of the item in an existing directory; undefined: its content is copied into the directory.
 * @throws HoldfastError `copy.destination`.
 */
export function openDestination(path: string, base: string | undefined): Destination {
  const opened: OpenDirectory[] = [];
  const close = () => {
    for (const directory of opened) directory.close();
  };
  const keep = (directory: OpenDirectory) => {
    opened.push(directory);
    return directory;
  };
  try {
    const target = openTarget(path, base, keep);
    return { directory: target.directory, place: (item) => explained(path, () => target.place(item)), close };
  } catch (error) {
    close();
    throw notWritten(path, error);
  }
}

function openTarget(
  path: string,
  base: string | undefined,
  keep: (directory: OpenDirectory) => OpenDirectory,
): Omit<Destination, 'close'> {
  const named = posix.normalize(path).replace(/\/$/, '');
  const name = bytesOf(posix.basename(named));
  if (name === '' || name === '.' || name === '..')
    return insideOf(keep(OpenDirectory.open(path)), base, keep);
  const parent = keep(OpenDirectory.open(posix.dirname(named)));
  const found = parent.find(name);
  if (found?.isDirectory()) return insideOf(keep(parent.child(name)), base, keep);
  const isFollowed = /\/\.?$/.test(path);
  if (found?.isSymbolicLink() && isFollowed)
    return insideOf(keep(OpenDirectory.open(parent.path(name))), base, keep);
  if (found?.isSymbolicLink() && leadsToDirectory(parent, name))
    throw new PlaceError('it is a symbolic link to a directory; with a slash at its end it is followed');
  return {
    directory: parent,
    place: (item) => {
      if (isFollowed && !isDirectory(item)) throw new PlaceError('it is not a directory');
      placeItem(item, { directory: parent, name });
    },
  };
}

/** Copies into an existing directory: an item, next to others, or the content of one. */
function insideOf(
  directory: OpenDirectory,
  base: string | undefined,
  keep: (directory: OpenDirectory) => OpenDirectory,
): Omit<Destination, 'close'> {
  if (base === undefined)
    return {
      directory,
      place: (item) => {
        const content = item.directory.child(item.name);
        try {
          placeContent(content, directory);
        } finally {
          content.close();
        }
      },
    };
  const name = bytesOf(base);
  return {
    directory: isDirectory({ directory, name }) ? keep(directory.child(name)) : directory,
    place: (item) => placeItem(item, { directory, name }),
  };
}

function isDirectory({ directory, name }: Place): boolean {
  return directory.find(name)?.isDirectory() ?? false;
}

function leadsToDirectory(directory: OpenDirectory, name: string): boolean {
  return statSync(directory.path(name), { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** Does work at a destination. @throws HoldfastError `copy.destination` for any failure of it. */
export function explained<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw notWritten(path, error);
  }
}

function notWritten(path: string, error: unknown): HoldfastError {
  return failure('copy.destination', `cannot write ${path}`, {
    why: reasonOf(error),
    next: 'choose a destination on this host that you can write to',
    cause: error,
  });
}

/** Returns the reason without the path, which leads through a handle. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'syscall' in error ? error.message.replace(/, \w+ '.*$/s, '') : error.message;
}
