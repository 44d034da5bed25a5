import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { reportScript } from '../../../src/guest/report.ts';
import { systemRoot } from '../../../src/guest/system-root.ts';

/* The script of a report, run as it is, on a directory of this host in the place of the running system. */

async function withRoot(work: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-user-channel-'));
  try {
    await mkdir(join(root, 'etc/ssh'), { recursive: true });
    await writeFile(join(root, 'etc/passwd'), 'holdfast:x:1000:1000::/home/holdfast:/bin/sh\n');
    await writeFile(join(root, 'etc/shadow'), 'root:*:1::::::\nholdfast:*:1::::::\n');
    await work(root);
  } finally {
    await rm(root, { recursive: true });
  }
}

/** Returns the lines of one answer. */
function ask(root: string, name: string): string[] {
  const script = reportScript.replaceAll(systemRoot, root);
  const text = execFileSync('sh', ['-c', script], { encoding: 'utf8', timeout: 19_000 });
  const [, answer = ''] = text.split(`--- ${name}\n`);
  return answer.split(/^--- /m)[0]?.split('\n') ?? [];
}

test('names an account that sshd denies', () =>
  withRoot(async (root) => {
    assert.deepEqual(
      ask(root, 'users').filter((line) => line.startsWith('account')),
      [],
    );
    await writeFile(join(root, 'etc/shadow'), 'holdfast:!*:1::::::\n');
    await writeFile(join(root, 'etc/nologin'), '');
    const expected = [
      'account its password is locked, so that sshd denies its key too',
      'account /etc/nologin denies every login but that of root',
    ];
    assert.deepEqual(
      ask(root, 'users').filter((line) => line.startsWith('account')),
      expected,
    );
  }));

test('a configuration of sshd that includes a pipe takes a part of the time, and no other answer', () =>
  withRoot(async (root) => {
    const pipe = join(root, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await writeFile(join(root, 'etc/ssh/sshd_config'), `Include ${pipe}\n`);
    assert.equal(ask(root, 'users').at(0), 'time its files keep a program busy for more than 8 s');
  }));

test('a sparse file of terabytes takes a part of the time, and no other answer', () =>
  withRoot(async (root) => {
    await truncate(join(root, 'etc/passwd'), 2 ** 43);
    await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n', { flag: 'r+' });
    assert.ok(ask(root, 'users').includes('time its files keep a program busy for more than 8 s'));
  }));
