import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { copyIn } from '../../src/channel/copy-in.ts';
import { copyOut } from '../../src/channel/copy-out.ts';
import { openSession } from '../../src/channel/ssh.ts';
import { copyDefaults } from '../support/copy.ts';
import { startSshServer } from '../support/ssh-server.ts';

// a tree with everything that is hard to copy, to the guest and back
const server = await startSshServer();
const session = await openSession(await server.connect(), server.identity);
const host = await mkdtemp(join(tmpdir(), 'holdfast-content-'));
after(async () => {
  await session.close();
  await server.close();
  await rm(host, { recursive: true });
});

const toGuest = (from: string, to: string, attributes = false) =>
  copyIn(session.start, `${host}/${from}`, to, { ...copyDefaults, attributes });
const toHost = (from: string, to: string, attributes = false) =>
  copyOut(session.start, from, `${host}/${to}`, { ...copyDefaults, attributes });

test('copies names of any bytes', async () => {
  const tree = join(host, 'names');
  await mkdir(tree);
  const names = [
    Buffer.from('ä\u{1f600}'),
    Buffer.from([0xff, 0xfe]),
    Buffer.from('\x1b[2J\n\\'),
    Buffer.alloc(255, 0xe4),
  ];
  const pathOf = (directory: string, name: Buffer) => Buffer.concat([Buffer.from(`${directory}/`), name]);
  for (const name of names) await writeFile(pathOf(tree, name), name);
  const deep = join(tree, ...Array.from({ length: 12 }, () => 'd'.repeat(90)));
  await mkdir(deep, { recursive: true });
  await writeFile(join(deep, 'file'), 'x');
  await toGuest('names', 'names');
  await toHost('names', 'back');
  const listed = (path: string) => readdir(path, { encoding: 'buffer' });
  const sorted = (all: readonly Buffer[]) =>
    [...all].sort(Buffer.compare).map((name) => name.toString('hex'));
  assert.deepEqual(sorted(await listed(join(host, 'back'))), sorted(await listed(tree)));
  for (const name of names) assert.equal((await stat(pathOf(join(host, 'back'), name))).size, name.length);
  assert.equal((await stat(deep.replace('/names/', '/back/'))).isDirectory(), true);
});

test('sparse files stay sparse, and times keep their fractions', async () => {
  const file = await open(join(host, 'sparse'), 'w');
  await file.write('begin', 0);
  await file.write('end', 50_000_000);
  await file.truncate(100_000_000);
  await file.close();
  await utimes(join(host, 'sparse'), 1_000_000_000.25, 1_000_000_000.25);
  await toGuest('sparse', 'sparse');
  await toHost('sparse', 'dense');
  for (const path of [join(server.home, 'sparse'), join(host, 'dense')]) {
    const { size, blocks, mtimeMs } = await stat(path);
    assert.equal(size, 100_000_000);
    assert.ok(blocks * 512 < 1_000_000, `${path} has ${blocks} blocks`);
    assert.equal(mtimeMs, 1_000_000_000_250);
  }
  await run('cmp', [join(host, 'sparse'), join(host, 'dense')]);
});

test('names pipes, devices and sockets in both directions, and opens none', async () => {
  const tree = join(host, 'special');
  await mkdir(tree);
  await writeFile(join(tree, 'file'), 'x');
  await run('mkfifo', [join(tree, 'pipe')]);
  const socket = createServer().listen(join(tree, 'socket'));
  after(() => socket.close());
  await once(socket, 'listening');
  const expected = {
    skipped: [
      { path: 'pipe', kind: 'pipe' },
      { path: 'special/socket', kind: 'socket' },
    ],
    skippedCount: 2,
  };
  assert.deepEqual(await toGuest('special', 'special'), expected);
  assert.deepEqual(await readdir(join(server.home, 'special')), ['file']);
  await assert.rejects(toGuest('special/pipe', 'x'), { code: 'copy.source', why: /only files/ });
  await session.run(['sh', '-euc', 'mkdir again; touch again/file; mkfifo again/pipe']);
  const back = await toHost('again', 'special-back');
  assert.deepEqual(back, { skipped: [{ path: 'pipe', kind: 'pipe' }], skippedCount: 1 });
  assert.deepEqual(await readdir(join(host, 'special-back')), ['file']);
  await assert.rejects(toHost('again/pipe', 'x'), { code: 'copy.kind' });
});

test('copies attributes of the user namespace if asked, and no capabilities', async (context) => {
  const python = (script: string, ...args: string[]) =>
    run('python3', ['-c', `import os,sys\n${script}`, ...args]);
  const listed = async (path: string) =>
    (await python('print(os.listxattr(sys.argv[1]))', path)).stdout.toString();
  const file = join(host, 'attributes');
  await writeFile(file, 'x');
  try {
    await python(`os.setxattr(sys.argv[1], 'user.note', b'a\\n\\0b')`, file);
  } catch {
    return context.skip('this file system has no attributes, or this host no Python');
  }
  if (process.getuid?.() === 0) {
    const capability = '0100000200040000000000000000000000000000';
    await python(`os.setxattr(sys.argv[1], 'security.capability', bytes.fromhex('${capability}'))`, file);
  }
  await toGuest('attributes', 'plain');
  assert.equal(await listed(join(server.home, 'plain')), '[]\n');
  await toGuest('attributes', 'marked', true);
  await toHost('marked', 'unmarked');
  await toHost('marked', 'remarked', true);
  assert.equal(await listed(join(host, 'unmarked')), '[]\n');
  assert.equal(await listed(join(host, 'remarked')), "['user.note']\n");
  const { stdout } = await python(`print(os.getxattr(sys.argv[1], 'user.note'))`, join(host, 'remarked'));
  assert.equal(stdout.toString(), `b'a\\n\\x00b'\n`);
});

test('directories that exist keep their mode, and --mode counts for what is copied', async () => {
  await mkdir(join(host, 'settings/new'), { recursive: true, mode: 0o700 });
  for (const name of ['settings/file', 'settings/new/file']) await writeFile(join(host, name), 'x');
  await session.run(['mkdir', '--mode=755', 'existing']);
  const ownership = { owner: undefined, mode: 0o640 };
  await copyIn(session.start, `${host}/settings/.`, 'existing', { ...copyDefaults, ownership });
  const modes = await session.run([
    'stat',
    '--format=%a',
    'existing',
    'existing/file',
    'existing/new',
    'existing/new/file',
  ]);
  assert.equal(modes.stdout.toString(), '755\n640\n750\n640\n');
});

test('an owner that does not exist is an error, and nothing is copied', async () => {
  await writeFile(join(host, 'owned'), 'x');
  const ownership = { owner: 'nobody-of-that-name', mode: undefined };
  await assert.rejects(copyIn(session.start, `${host}/owned`, 'owned', { ...copyDefaults, ownership }), {
    code: 'copy.failed',
    why: /invalid user/,
  });
  await assert.rejects(stat(join(server.home, 'owned')), { code: 'ENOENT' });
});
