import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { takeLock, withLock } from '../../../src/base/lock.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-lock-'));
after(() => rmSync(directory, { recursive: true }));

test('the error of a held lock names the holder and its process', async () => {
  const path = join(directory, 'held');
  await withLock(path, 'deploy', async () => {
    await assert.rejects(
      withLock(path, 'stop', async () => {}),
      { code: 'lock.held', why: `holdfast deploy (process ${process.pid}) holds ${path}` },
    );
  });
  await withLock(path, 'stop', async () => {});
});

test('the lock is released when the work fails', async () => {
  const path = join(directory, 'fails');
  await assert.rejects(
    withLock(path, 'deploy', () => Promise.reject(new Error('no'))),
    /no/,
  );
  await withLock(path, 'stop', async () => {});
});

test('the lock is released when its process is killed', async () => {
  const path = join(directory, 'killed');
  const script = `
    import { takeLock } from '${join(import.meta.dirname, '../../../src/base/lock.ts')}';
    await takeLock('${path}', 'deploy');
    console.log('held');
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await assert.rejects(takeLock(path, 'stop'), { code: 'lock.held' });
  child.kill('SIGKILL');
  await once(child, 'close');
  await (await takeLock(path, 'stop')).release();
});

test('child processes do not inherit the lock', async () => {
  const path = join(directory, 'children');
  const lock = await takeLock(path, 'start');
  const child = spawn('sleep', ['30'], { stdio: 'ignore', detached: true });
  try {
    await lock.release();
    await (await takeLock(path, 'stop')).release();
  } finally {
    child.kill();
  }
});

test('waiting processes get the lock in turn, even when the holder removes the file', async () => {
  const path = join(directory, 'waits');
  const first = await takeLock(path, 'remove');
  let entered = 0;
  const second = withLock(path, 'deploy', async () => ++entered, { wait: true });
  const third = withLock(path, 'deploy', async () => ++entered, { wait: true });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(entered, 0);
  await first.release({ unlink: true });
  assert.equal((await second) + (await third), 3);
  assert.ok(existsSync(path));
});
