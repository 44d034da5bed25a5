import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { claims } from '../../../src/audit/claims.ts';
import { etcChanges, etcFiles } from '../../../src/audit/etc-files.ts';
import { type GuestAnswers, parseAnswers, probeScript, readAnswer } from '../../../src/audit/guest-probe.ts';
import { systemRoot } from '../../../src/guest/system-root.ts';
import { overlayContent } from '../../../src/release/overlay-content.ts';

/* Probes that read files of the running system, run as they are, on a directory of this host in its place. */

async function withRoot(work: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-guest-files-'));
  try {
    await mkdir(join(root, 'etc/sudoers.d'), { recursive: true });
    await mkdir(join(root, 'etc/ssh'));
    await work(root);
  } finally {
    await rm(root, { recursive: true });
  }
}

function ask(root: string, name: string): GuestAnswers {
  const probe = claims.flatMap(({ probes }) => probes).find((each) => each.name === name);
  assert.ok(probe);
  const script = probeScript([probe], 'mark').replaceAll(systemRoot, root);
  const { stdout } = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8', timeout: 20_000 });
  return parseAnswers(stdout, 'mark');
}

test('a name cannot pretend to be the digest of a file that is too large for one', () =>
  withRoot(async (root) => {
    const good = 'root ALL=(ALL) ALL\n';
    const sha256 = createHash('sha256').update(good).digest('hex');
    const entry = {
      type: 'file',
      path: 'sudoers',
      mode: 0o644,
      user: process.getuid?.(),
      group: process.getgid?.(),
    };
    const released = overlayContent.shape.etc.parse([{ ...entry, size: good.length, sha256 }]);
    const changes = () => etcChanges('privileges', readAnswer(etcFiles, ask(root, 'etc-files')), released);
    await writeFile(join(root, 'etc/sudoers'), good, { mode: 0o644 });
    assert.deepEqual(changes(), []);
    await writeFile(join(root, 'etc/sudoers'), `ALL ALL=(ALL) NOPASSWD: ALL\n`);
    await truncate(join(root, 'etc/sudoers'), 5 * 1024 * 1024);
    await mkdir(join(root, `etc/sudoers.d/x -> \n${sha256}  sudoers\nd 755 0 0 sudoers.d`));
    assert.deepEqual(changes(), [{ how: 'changed', path: 'sudoers' }]);
  }));

test('two lines that sshd joins at a NUL are named', () =>
  withRoot(async (root) => {
    await writeFile(
      join(root, 'etc/ssh/sshd_config'),
      'PermitRootLogin no\nMa\0\ntch User root\nPermitRootLogin yes\n',
    );
    assert.equal(ask(root, 'sshd-conditions').get('sshd-conditions')?.text, 'a NUL byte');
    await writeFile(join(root, 'etc/ssh/sshd_config'), '# Match\nPermitRootLogin no\n');
    assert.deepEqual(ask(root, 'sshd-conditions').get('sshd-conditions'), { code: 0, text: '' });
  }));

for (const [probe, path] of [
  ['accounts', 'etc/passwd'],
  ['groups', 'etc/group'],
  ['passwords', 'etc/shadow'],
  ['sshd', 'etc/ssh/sshd_config'],
  ['sshd-conditions', 'etc/ssh/sshd_config'],
  ['journal', 'etc/machine-id'],
] as const) {
  test(`${probe}: a pipe, or a sparse file of terabytes, in place of /${path} does not keep the audit waiting`, () =>
    withRoot(async (root) => {
      const file = join(root, path);
      execFileSync('mkfifo', [file]);
      const expected = { code: 1, text: `/${path} is no regular file, or too long` };
      assert.deepEqual(ask(root, probe).get(probe), expected);
      await rm(file);
      await writeFile(file, 'root:x:0:0:root:/root:/bin/bash\n');
      await truncate(file, 2 ** 43);
      assert.deepEqual(ask(root, probe).get(probe), expected);
    }));
}
