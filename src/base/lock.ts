import { once } from 'node:events';
import { type FileHandle, open, stat, unlink } from 'node:fs/promises';
import { failure, isSystemError } from './errors.ts';
import { start, started } from './process.ts';

/** flock(1) answers with this when somebody else holds the lock. */
const conflictCode = 75;

/** A lock that is held until it is released or its process dies. */
export interface Lock {
  /** @param options.unlink also removes the file; whoever waits for it then waits for its successor. */
  release(options?: { unlink: boolean }): Promise<void>;
}

export interface LockOptions {
  /** Waits for the holder to end instead of failing. */
  readonly wait?: boolean;
}

/**
 * Takes an exclusive flock(2) on `path`. The lock belongs to our open file, so the kernel frees it when this process
 * dies, whatever the reason: there are no stale locks to judge. Node closes the file on exec, so children do not hold it.
 * @param holder what the next one is told is going on, such as `deploy`.
 * @throws HoldfastError `lock.held`, naming the holder and its process.
 */
export async function takeLock(path: string, holder: string, options: LockOptions = {}): Promise<Lock> {
  for (;;) {
    const handle = await open(path, 'a+', 0o600);
    try {
      if (!(await lockOpenFile(handle, path, options))) {
        const owner = (await handle.readFile('utf8')).trim() || 'another command';
        throw failure('lock.held', 'another command is at work on this machine', {
          why: `${owner} holds ${path}`,
          next: 'wait for it to end, or stop it, and try again',
        });
      }
      if (!(await isStillAt(handle, path))) {
        await handle.close(); // the holder before us removed the file: its name now means another lock, or none
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

/** Runs `work` while holding the lock: see `takeLock`. */
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

/** util-linux's flock locks a descriptor that it inherits: the lock then stays with the open file, which is ours. */
async function lockOpenFile(handle: FileHandle, path: string, options: LockOptions): Promise<boolean> {
  const args = options.wait ? ['3'] : ['--nonblock', '--conflict-exit-code', String(conflictCode), '3'];
  const child = start('flock', args, { stdio: ['ignore', 'ignore', 'ignore', handle.fd] });
  await started(child, 'flock');
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return true;
  if (code === conflictCode) return false;
  throw failure('lock.failed', `the lock ${path} could not be taken`, { why: `flock ended with ${code}` });
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
