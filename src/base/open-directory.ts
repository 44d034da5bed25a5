import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  type Stats,
  type StatsFs,
  statfsSync,
} from 'node:fs';
import { isSystemError } from './errors.ts';

/**
 * open(2): a handle that only names a file or directory, which also works without permission to read it. Not in Node's constants;
 * the same on every architecture of Linux with Node.
 */
export const O_PATH = 0o10000000;
const flags = O_PATH | constants.O_DIRECTORY;

/** A name in a directory, as bytes: latin1 text, one character a byte. */
export type ByteName = string;

/**
 * An open directory. Its paths stay in it, whatever others rename or replace by a link meanwhile: they lead through the
 * handle (/proc/self/fd), as those of openat(2) do. Calls are synchronous, since each is a single system call.
 */
export class OpenDirectory {
  readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Opens a directory that a user named: links in its path are followed. @throws Node's system errors. */
  static open(path: string | Buffer): OpenDirectory {
    return new OpenDirectory(openSync(path, flags));
  }

  /** Opens a directory in this one, never through a link. @throws Node's system errors. */
  child(name: ByteName): OpenDirectory {
    return new OpenDirectory(openSync(this.path(name), flags | constants.O_NOFOLLOW));
  }

  /** Returns a path to a name in this directory, for system calls that do not follow its last link. */
  path(name: ByteName): Buffer {
    if (name === '' || name === '.' || name === '..' || name.includes('/'))
      throw new Error(`not a name: ${JSON.stringify(name)}`);
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.fd}/`), Buffer.from(name, 'latin1')]);
  }

  /** Returns what has this name, which may be a link; undefined if nothing has. */
  find(name: ByteName): Stats | undefined {
    try {
      return lstatSync(this.path(name));
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  names(): ByteName[] {
    return readdirSync(this.#self(), { encoding: 'latin1' });
  }

  stat(): Stats {
    return fstatSync(this.fd);
  }

  space(): StatsFs {
    return statfsSync(this.#self());
  }

  chmod(mode: number): void {
    chmodSync(this.#self(), mode);
  }

  close(): void {
    closeSync(this.fd);
  }

  #self(): string {
    return `/proc/self/fd/${this.fd}`;
  }
}
