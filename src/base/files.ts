import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, mkdtemp, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, failure, isSystemError } from './errors.ts';
import { requireOwnPath } from './own-path.ts';

/** Flushes a directory, so that a rename or a new name in it survives a power failure. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces `path` atomically and durably: temporary file, fsync, rename, fsync of the directory.
 * @param mode file mode; secrets pass 0o600.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Creates a directory and its parents. Node's recursive mkdir never ends where the kernel answers ENOENT although the parent
 * exists, as below /proc.
 * @throws HoldfastError `file.no-directory`; Node's system errors.
 */
export async function makeDirectory(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (isSystemError(error, 'EEXIST') && (await stat(path)).isDirectory()) return;
    const parent = dirname(path);
    if (!isSystemError(error, 'ENOENT') || parent === path) throw error;
    if (await exists(parent)) {
      throw failure('file.no-directory', `cannot create the directory ${path}`, {
        why: `no directories can be created in ${parent}`,
        next: 'name a directory on a disk',
        cause: error,
      });
    }
    await makeDirectory(parent, mode);
    await makeDirectory(path, mode);
  }
}

/**
 * Creates an empty directory for temporary files, below TMPDIR. The caller removes it.
 * @throws HoldfastError `file.scratch` when TMPDIR cannot be written.
 */
export async function makeScratchDirectory(prefix: string): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), prefix));
  } catch (error) {
    throw failure('file.scratch', `cannot create temporary files in ${tmpdir()}`, {
      why: describe(error),
      next: 'set TMPDIR to a directory that you can write, or free some space there',
      cause: error,
    });
  }
}

/**
 * Creates a directory that only its owner can enter (mode 0700), and its parents. One that exists may be of another user: then
 * nothing may be made in it.
 * @throws HoldfastError `file.exposed` when other users could replace what is in it.
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  await requireOwnPath(path); // before anything is made below a directory of another user
  await makeDirectory(path, 0o700);
  await requireOwnPath(path);
}

/**
 * Reads a file of at most `maximum` bytes.
 * @throws HoldfastError `file.too-large`; Node's system errors when the file cannot be read.
 */
export async function readBounded(path: string, maximum: number): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > maximum) {
    throw failure('file.too-large', `cannot read ${path}: the file is too large`, {
      why: `it has ${size} bytes, the limit is ${maximum}`,
    });
  }
  return readFile(path);
}

/**
 * Writes all bytes. On a full disk write(2) may be partial; only the next write reports the error.
 */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

/** Returns true when `path` exists, following symbolic links. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return false;
    throw error;
  }
}
