import assert from 'node:assert/strict';
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { copyIn } from '../../src/channel/copy-in.ts';
import type { CopyOptions } from '../../src/channel/copy-options.ts';
import { copyOut } from '../../src/channel/copy-out.ts';
import { openSession } from '../../src/channel/ssh.ts';
import { copyDefaults } from '../support/copy.ts';
import { startSshServer } from '../support/ssh-server.ts';

// what the guest sends must not be written through a link, and must not leave one that is written through later
const server = await startSshServer();
const session = await openSession(await server.connect(), server.identity);
const directory = await mkdtemp(join(tmpdir(), 'holdfast-links-'));
let count = 0;
let host = '';
let guest = '';
let victim = '';

beforeEach(async () => {
  host = join(directory, String(++count));
  victim = join(host, 'victim');
  guest = join(server.home, String(count));
  await mkdir(victim, { recursive: true });
  await writeFile(join(victim, 'precious'), 'precious');
  await inGuest(`mkdir ${guest}`);
});
after(async () => {
  await session.close();
  await server.close();
  await rm(directory, { recursive: true });
});

const inGuest = (script: string) => session.run(['sh', '-euc', script]);
const toHost = (from: string, to: string, options: Partial<CopyOptions> = {}) =>
  copyOut(session.start, `${guest}/${from}`, `${host}/${to}`, { ...copyDefaults, ...options });

async function checkVictim(): Promise<void> {
  assert.deepEqual(await readdir(victim), ['precious']);
  assert.equal(await readFile(join(victim, 'precious'), 'utf8'), 'precious');
}

test('a second copy never writes through a link of the first', async () => {
  for (const target of [victim, `${victim}/precious`, `${victim}/planted`]) {
    for (const options of [{}, { links: 'all' }] as const) {
      await inGuest(`rm -rf ${guest}/report; ln -s ${target} ${guest}/report`);
      await toHost('report', 'report', options).catch(() => {});
      await inGuest(`rm ${guest}/report; echo planted > ${guest}/report`);
      await toHost('report', 'report', options).catch(() => {});
      await checkVictim();
      await inGuest(`rm ${guest}/report; mkdir ${guest}/report; echo planted > ${guest}/report/precious`);
      await toHost('report', 'report', options).catch(() => {});
      await toHost('report', '.', options).catch(() => {});
      await checkVictim();
      await rm(join(host, 'report'), { recursive: true, force: true });
    }
  }
});

test('a second copy of a tree never writes through a link of the first', async () => {
  await inGuest(
    `mkdir ${guest}/tree; ln -s ${victim} ${guest}/tree/a; ln -s ${victim}/precious ${guest}/tree/b`,
  );
  await toHost('tree', 'tree', { links: 'all' });
  assert.equal(await readlink(join(host, 'tree/a')), victim);
  await inGuest(
    `rm ${guest}/tree/*; mkdir ${guest}/tree/a; echo planted | tee ${guest}/tree/a/precious > ${guest}/tree/b`,
  );
  await assert.rejects(toHost('tree', '.'), { code: 'copy.destination', why: /symbolic link in the place/ });
  await assert.rejects(toHost('tree/.', 'tree'), {
    code: 'copy.destination',
    why: /symbolic link in the place/,
  });
  await checkVictim();
  assert.ok(
    (await lstat(join(host, 'tree/b'))).isSymbolicLink(),
    'nothing is moved when something is in the way',
  );
  await rm(join(host, 'tree/a'));
  await toHost('tree/.', 'tree');
  await checkVictim();
  assert.equal(await readFile(join(host, 'tree/b'), 'utf8'), 'planted\n');
});

test('skips links that lead out, also by way of others, and keeps those that stay inside', async () => {
  const links: [path: string, target: string, stays: boolean][] = [
    ['file', 'plain', true],
    ['up', '..', false],
    ['sub/up', '..', true],
    ['sub/plain', '../plain', true],
    ['sub/out', '../../victim', false],
    ['sub/here', '.', true],
    ['sub/sly', 'here/../..', false],
    ['sub/later', './deeper/../x', false],
    ['absolute', '/etc/passwd', false],
    ['inside', `${guest}/tree/plain`, false],
    ['odd', './/.//sub//plain', true],
    ['absent', 'nowhere/at/all', true],
  ];
  await inGuest(`mkdir -p ${guest}/tree/sub/deeper; touch ${guest}/tree/plain`);
  for (const [path, target] of links) await session.run(['ln', '-s', '--', target, `${guest}/tree/${path}`]);
  const { skipped, skippedCount } = await toHost('tree', 'tree');
  const out = links.filter(([, , stays]) => !stays).map(([path]) => path);
  assert.deepEqual(
    skipped.map(({ path, kind }) => `${kind} ${path}`).sort(),
    out.map((path) => `link ${path}`).sort(),
  );
  assert.equal(skippedCount, out.length);
  for (const [path, target, stays] of links)
    assert.equal(
      await readlink(join(host, 'tree', path)).catch(() => undefined),
      stays ? target : undefined,
      path,
    );
  await toHost('tree', 'all', { links: 'all' });
  for (const [path, target] of links) assert.equal(await readlink(join(host, 'all', path)), target);
});

test('copies a link as a link, and what it points to only if asked', async () => {
  await inGuest(`cd ${guest}; mkdir real; echo x > real/file; ln -s real near; ln -s ${guest}/real/file far`);
  await toHost('near', 'near');
  assert.equal(await readlink(join(host, 'near')), 'real');
  await assert.rejects(toHost('far', 'far'), { code: 'copy.link', next: /--follow.*--links/ });
  await toHost('far', 'far', { links: 'all' });
  assert.equal(await readlink(join(host, 'far')), `${guest}/real/file`);
  await mkdir(join(host, 'into'));
  await toHost('far', 'into', { follow: true });
  await toHost('near', 'into', { follow: true });
  await toHost('near/', 'into/slash');
  for (const path of ['far', 'near/file', 'slash/file'])
    assert.equal(await readFile(join(host, 'into', path), 'utf8'), 'x\n', path);
  assert.ok(!(await lstat(join(host, 'into/near'))).isSymbolicLink());
  await assert.rejects(toHost('absent', 'x', { follow: true }), {
    code: 'guest.command',
    why: /No such file/,
  });
  await symlink('victim', join(host, 'link'));
  const toGuest = (from: string, to: string, follow: boolean) =>
    copyIn(session.start, `${host}/${from}`, `${guest}/${to}`, { ...copyDefaults, follow });
  await toGuest('link', 'in', false);
  assert.equal(await readlink(join(guest, 'in')), 'victim');
  await toGuest('link', 'followed', true);
  await toGuest('link/', 'slashed', false);
  assert.deepEqual(await readdir(join(guest, 'followed')), ['precious']);
  assert.deepEqual(await readdir(join(guest, 'slashed')), ['precious']);
});

test('follows the last name of the destination only with a slash', async () => {
  await inGuest(`echo new > ${guest}/file`);
  await mkdir(join(host, 'real'));
  await symlink('real', join(host, 'link'));
  await assert.rejects(toHost('file', 'link'), { code: 'copy.destination', why: /with a slash at its end/ });
  assert.deepEqual(await readdir(join(host, 'real')), []);
  await toHost('file', 'link/');
  await toHost('file', 'link/second');
  assert.deepEqual(await readdir(join(host, 'real')), ['file', 'second']);
  await symlink('victim/precious', join(host, 'to-file'));
  await toHost('file', 'to-file');
  assert.equal(await readFile(join(host, 'to-file'), 'utf8'), 'new\n');
  await checkVictim();
});

test('writes to no pipe, device or file with another name', async () => {
  await inGuest(`mkdir ${guest}/tree; echo new > ${guest}/tree/file`);
  await mkdir(join(host, 'tree'));
  await run('mkfifo', [join(host, 'tree/file')]);
  await assert.rejects(toHost('tree', '.'), { code: 'copy.destination', why: /device, pipe or socket/ });
  await assert.rejects(toHost('tree/file', 'tree/file'), {
    code: 'copy.destination',
    why: /device, pipe or socket/,
  });
  await rm(join(host, 'tree/file'));
  await link(join(victim, 'precious'), join(host, 'tree/file'));
  await toHost('tree', '.');
  await checkVictim();
  assert.equal(await readFile(join(host, 'tree/file'), 'utf8'), 'new\n');
});

test('the umask counts, and existing directories keep their mode', async () => {
  await inGuest(
    `umask 0; mkdir -m 7777 ${guest}/open; touch ${guest}/open/file; chmod 6777 ${guest}/open/file`,
  );
  const before = process.umask(0o027);
  try {
    await toHost('open', 'open');
  } finally {
    process.umask(before);
  }
  const modeOf = async (path: string) => ((await stat(join(host, path))).mode & 0o7777).toString(8);
  assert.deepEqual([await modeOf('open'), await modeOf('open/file')], ['750', '750']);
  await chmod(join(host, 'open'), 0o700);
  await toHost('open', '.');
  await toHost('open/.', 'open');
  assert.equal(await modeOf('open'), '700');
});
