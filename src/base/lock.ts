import { once } from 'node:events';
import { type FileHandle, open, stat, unlink } from 'node:fs/promises';
import { failure, isSystemError } from './errors.ts';
import { start, started } from './process.ts';

/** Exit code requested from flock(1) for a lock that is held by another process. */
const conflictCode = 75;

/** A lock that is held until it is released or its process dies. */
export interface Lock {
  /** @param options.unlink also removes the file; waiting processes then lock its successor. */
  release(options?: { unlink: boolean }): Promise<void>;
}

export interface LockOptions {
  /** Wait for the holder to release the lock instead of failing: without end, or a number of seconds. */
  readonly wait?: boolean | number;
}

/**
 * Takes an exclusive flock(2) on `path`. The lock belongs to the open file of this process, so the
 * kernel releases it when the process ends for any reason and no stale lock remains. Node closes
 * the file on exec, so children do not hold it.
 * @param holder the running command, such as `deploy`, for the error that other processes get.
 * @throws HoldfastError `lock.held`, naming the holder and its process.
 */
export async function takeLock(path: string, holder: string, options: LockOptions = {}): Promise<Lock> {
  for (;;) {
    const handle = await open(path, 'a+', 0o600);
    try {
      if (!(await lockOpenFile(handle, path, options))) {
        const owner = (await handle.readFile('utf8')).trim() || 'another command';
        throw failure('lock.held', 'cannot lock the machine: another command is running', {
          why: `${owner} holds ${path}`,
          next: 'wait until it ends, or stop it, then retry',
        });
      }
      if (!(await isStillAt(handle, path))) {
        await handle.close(); // the previous holder removed the file: the path is now another lock, or none
        continue;
      }
      await handle.truncate(0);
      await handle.write(`holdfast ${holder} (process ${process.pid})\n`);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return {
      async release(end) {
        if (end?.unlink) await unlink(path);
        await handle.close();
      },
    };
  }
}

/** Runs `work` while holding the lock. Throws as `takeLock` does. */
export async function withLock<T>(
  path: string,
  holder: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const lock = await takeLock(path, holder, options);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/**
 * Locks an open file with flock(1) of util-linux, on an inherited descriptor; the lock stays with the open
 * file after flock has ended.
 */
async function lockOpenFile(handle: FileHandle, path: string, options: LockOptions): Promise<boolean> {
  const { wait = false } = options;
  const patience = wait === false ? ['--nonblock'] : wait === true ? [] : ['--timeout', String(wait)];
  const args = [...patience, '--conflict-exit-code', String(conflictCode), '3'];
  const child = start('flock', args, { stdio: ['ignore', 'ignore', 'ignore', handle.fd] });
  await started(child, 'flock');
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return true;
  if (code === conflictCode) return false;
  throw failure('lock.failed', `cannot lock ${path}`, { why: `flock ended with exit code ${code}` });
}

async function isStillAt(handle: FileHandle, path: string): Promise<boolean> {
  const ours = await handle.stat();
  try {
    const named = await stat(path);
    return named.ino === ours.ino && named.dev === ours.dev;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false;
    throw error;
  }
}
