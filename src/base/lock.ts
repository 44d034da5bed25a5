import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { failure } from './errors.ts';
import { start, started } from './process.ts';

/** flock(1) answers with this when somebody else holds the lock. */
const conflictCode = 75;

/**
 * Runs `work` while holding an exclusive flock(2) on `path`. The kernel frees the lock when its holder dies, whatever
 * the reason, so there are no stale locks to judge: util-linux's flock holds it for as long as our pipe to it is open.
 * @param holder what the next one is told is going on, such as `deploy`.
 * @throws HoldfastError `lock.held`, naming the holder and its process.
 */
export async function withLock<T>(path: string, holder: string, work: () => Promise<T>): Promise<T> {
  const args = ['--nonblock', '--conflict-exit-code', String(conflictCode), path, 'cat'];
  // detached: Ctrl-C must not free the lock before our own clean-up has ended
  const child = start('flock', args, { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  await started(child, 'flock');
  child.stdin?.on('error', () => {});
  child.stdin?.write('held\n');
  const closed = once(child, 'close') as Promise<[number | null]>;
  const held = await Promise.race([
    once(child.stdout ?? child, 'data').then(() => true),
    closed.then(() => false),
  ]);
  if (!held) {
    const [code] = await closed;
    if (code !== conflictCode)
      throw failure('lock.failed', `the lock ${path} could not be taken`, {
        why: `flock ended with ${code}`,
      });
    const owner = (await readFile(path, 'utf8').catch(() => '')).trim() || 'another command';
    throw failure('lock.held', 'another command is at work on this machine', {
      why: `${owner} holds ${path}`,
      next: 'wait for it to end, or stop it, and try again',
    });
  }
  try {
    await writeFile(path, `holdfast ${holder} (process ${process.pid})\n`, { mode: 0o600 });
    return await work();
  } finally {
    child.stdin?.end();
    await closed;
  }
}
