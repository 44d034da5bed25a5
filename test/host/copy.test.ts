import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { type Progress, silent } from '../../src/base/progress.ts';
import { copyIn } from '../../src/channel/copy-in.ts';
import { copyOut } from '../../src/channel/copy-out.ts';
import { archiveSource, parseCopyPath } from '../../src/channel/copy-paths.ts';
import { openSession } from '../../src/channel/ssh.ts';
import { copyDefaults } from '../support/copy.ts';
import { eventually } from '../support/eventually.ts';
import { startSshServer } from '../support/ssh-server.ts';

const server = await startSshServer();
const session = await openSession(await server.connect(), server.identity);
const never = new AbortController().signal;
const hostDirectory = await mkdtemp(join(tmpdir(), 'holdfast-copy-test-'));
let host = '';
let guest = '';
let count = 0;

beforeEach(async () => {
  count++;
  host = join(hostDirectory, String(count));
  guest = join(server.home, String(count));
  await mkdir(host);
  await session.run(['mkdir', guest]);
});
after(async () => {
  await session.close();
  await server.close();
  await rm(hostDirectory, { recursive: true });
});

const toGuest = (from: string, to: string, progress: Progress = silent, signal = never) =>
  copyIn(session.start, `${host}/${from}`, to, { ...copyDefaults, progress, signal }).finally(cleanly);
const toHost = (from: string, to: string, progress: Progress = silent, signal = never) =>
  copyOut(session.start, from, `${host}/${to}`, { ...copyDefaults, progress, signal }).finally(cleanly);

/** Checks that no staging directory is left. The guest's end removes its own shortly after the hang-up. */
async function cleanly(): Promise<void> {
  const find = async () =>
    (await run('find', [host, server.home, '-name', '.holdfast-copy*'])).stdout.toString();
  await eventually(async () => (await find()) === '', {
    within: 2000,
    every: 20,
    what: 'no staging directory',
  });
}

/** Lists everything below a path with modes, link targets and contents. */
async function tree(path: string): Promise<unknown> {
  const found = await lstat(path);
  if (found.isSymbolicLink()) return `-> ${await readlink(path)}`;
  const mode = (found.mode & 0o7777).toString(8);
  if (!found.isDirectory()) return `${mode} ${(await readFile(path)).toString('latin1')}`;
  const entries = await Promise.all(
    (await readdir(path)).sort().map(async (name) => [name, await tree(join(path, name))]),
  );
  return { '.': mode, ...Object.fromEntries(entries) };
}

async function makeTree(path: string): Promise<void> {
  await mkdir(join(path, 'sub/deeper'), { recursive: true });
  await mkdir(join(path, 'empty'));
  const names = [
    'plain',
    'with space',
    '-rf',
    '--',
    'a\\nb',
    'new\nline',
    'ä€',
    "it's $HOME",
    'sub/deeper/file',
  ];
  for (const name of names) await writeFile(join(path, name), `content of ${name}`);
  await writeFile(join(path, 'nothing'), '');
  await writeFile(join(path, 'program'), '#!/bin/sh\n');
  await symlink('plain', join(path, 'link'));
  await symlink('absent/relative', join(path, 'dangling'));
  await symlink('..', join(path, 'sub/up'));
  await chmod(join(path, 'program'), 0o755);
  await chmod(join(path, 'plain'), 0o640);
  await chmod(join(path, 'with space'), 0o400);
  await chmod(join(path, 'sub/deeper'), 0o700);
  await chmod(join(path, 'empty'), 0o711);
  await chmod(path, 0o750);
}

test('parses the paths of either side, and splits sources as cp does', () => {
  assert.deepEqual(parseCopyPath(':/etc/hosts'), { side: 'guest', path: '/etc/hosts' });
  assert.deepEqual(parseCopyPath(':'), { side: 'guest', path: '.' });
  assert.deepEqual(parseCopyPath('./:odd'), { side: 'host', path: './:odd' });
  for (const word of ['', 'a\0b', ':\0', ':a\u{fffd}'])
    assert.throws(() => parseCopyPath(word), { code: 'copy.path', exitCode: 2 });
  const sources: [path: string, directory: string, name: string, base?: string][] = [
    ['a', '.', 'a', 'a'],
    ['a/', 'a', '.', 'a'],
    ['/a//b/', '/a/b', '.', 'b'],
    ['a/../b', '.', 'b', 'b'],
    ['.', '.', '.'],
    ['a/..', '.', '.'],
    ['a/b/.', 'a/b', '.'],
    ['..', '..', '.'],
    ['../..', '../..', '.'],
    ['/', '/', '.'],
    ['-x', '.', '-x', '-x'],
  ];
  for (const [path, directory, name, base] of sources)
    assert.deepEqual(archiveSource(path), { directory, name, base }, path);
});

test('copies a directory in and out with names, modes and links unchanged', async () => {
  await makeTree(join(host, 'tree'));
  const before = await tree(join(host, 'tree'));
  await toGuest('tree', `${guest}/new`);
  assert.deepEqual(await tree(join(guest, 'new')), before);
  await toHost(`${guest}/new`, 'back');
  assert.deepEqual(await tree(join(host, 'back')), before);
  await toGuest('tree', guest);
  assert.deepEqual(await tree(join(guest, 'tree')), before);
  await mkdir(join(host, 'into'));
  await toHost(`${guest}/tree/`, 'into');
  assert.deepEqual(await tree(join(host, 'into/tree')), before);
});

test('copies a large file byte for byte and reports progress', async () => {
  const bytes = randomBytes(3 * 1024 * 1024);
  await writeFile(join(host, 'large'), bytes);
  const seen: { done: number; total?: number }[] = [];
  const watching: Progress = {
    step: (_title, work) => work({ update: (amount) => seen.push(amount), note: () => {} }),
  };
  await toGuest('large', guest, watching);
  assert.deepEqual(seen.at(-1), { done: bytes.length, total: bytes.length, unit: 'bytes' });
  await toHost(`${guest}/large`, 'again', watching);
  assert.ok((await readFile(join(host, 'again'))).equals(bytes));
  // the guest may have sent everything before it has reported the size
  assert.ok(
    seen.every(({ done, total }) => total === undefined || (total === bytes.length && done <= total)),
  );
  assert.ok((seen.at(-1)?.done ?? 0) >= bytes.length);
});

test('relative paths in the guest start at the home of its user', async () => {
  await writeFile(join(host, 'file'), 'x');
  await toGuest('file', 'relative');
  assert.equal(await readFile(join(server.home, 'relative'), 'utf8'), 'x');
  await toGuest('file', '.');
  assert.equal(await readFile(join(server.home, 'file'), 'utf8'), 'x');
  await toHost('relative', 'came');
  assert.equal(await readFile(join(host, 'came'), 'utf8'), 'x');
});

test('replaces files, merges directories, and takes a dot as the content of a directory', async () => {
  for (const [name, text] of [
    ['old/same', 'old'],
    ['old/kept', 'kept'],
    ['new/old/same', 'new'],
    ['new/old/added', 'added'],
  ] as const) {
    await mkdir(join(host, name, '..'), { recursive: true });
    await writeFile(join(host, name), text);
  }
  const merged = { '.': '755', added: '644 added', kept: '644 kept', same: '644 new' };
  await toGuest('old', guest);
  await toGuest('new/old', guest);
  assert.deepEqual(await tree(join(guest, 'old')), merged);
  await toGuest('new/.', `${guest}/dot`);
  await toGuest('new/old/.', `${guest}/dot/`);
  assert.deepEqual(Object.keys((await tree(join(guest, 'dot'))) as object), ['.', 'added', 'old', 'same']);
  await mkdir(join(host, 'out/old'), { recursive: true });
  await writeFile(join(host, 'out/old/kept'), 'kept');
  await writeFile(join(host, 'out/old/same'), 'old');
  await toHost(`${guest}/dot/old`, 'out');
  assert.deepEqual(await tree(join(host, 'out/old')), merged);
  await toHost(`${guest}/dot/old/added`, 'out/old/same');
  assert.equal(await readFile(join(host, 'out/old/same'), 'utf8'), 'added');
  await toHost(`${guest}/old/.`, 'contents');
  assert.deepEqual(await tree(join(host, 'contents')), merged);
});

test('copies a read-only directory', async () => {
  await mkdir(join(host, 'closed'));
  await writeFile(join(host, 'closed/file'), 'x');
  await chmod(join(host, 'closed'), 0o555);
  await toGuest('closed', `${guest}/closed`);
  assert.deepEqual(await tree(join(guest, 'closed')), { '.': '555', file: '644 x' });
  await toHost(`${guest}/closed`, 'opened');
  assert.deepEqual(await tree(join(host, 'opened')), { '.': '555', file: '644 x' });
});

test('replaces a link at the destination instead of following it', async () => {
  await writeFile(join(host, 'precious'), 'precious');
  await mkdir(join(host, 'into'));
  await symlink(join(host, 'precious'), join(host, 'into/file'));
  await session.run([
    'sh',
    '-c',
    `mkdir ${guest}/directory; echo bad > ${guest}/directory/file; cp ${guest}/directory/file ${guest}`,
  ]);
  await toHost(`${guest}/file`, 'into');
  assert.equal(await readFile(join(host, 'precious'), 'utf8'), 'precious');
  await rm(join(host, 'into/file'));
  await symlink(join(host, 'precious'), join(host, 'into/file'));
  await toHost(`${guest}/directory/.`, 'into');
  assert.equal(await readFile(join(host, 'precious'), 'utf8'), 'precious');
  assert.equal(await readFile(join(host, 'into/file'), 'utf8'), 'bad\n');
  await mkdir(join(host, 'outside'));
  await symlink(join(host, 'outside'), join(host, 'into/directory'));
  await assert.rejects(toHost(`${guest}/directory`, 'into'), { code: 'copy.destination' });
  assert.deepEqual(await readdir(join(host, 'outside')), []);
});

test('reports failed copies, which change nothing', async () => {
  await writeFile(join(host, 'file'), 'x');
  await mkdir(join(host, 'directory'));
  const failed = { code: 'copy.failed', exitCode: 1 };
  await assert.rejects(toGuest('absent', guest), { code: 'copy.source', exitCode: 1 });
  await assert.rejects(toGuest('file', '/proc/new'), {
    ...failed,
    why: /mktemp: .*\/proc\/\.holdfast-copy/,
  });
  await assert.rejects(toGuest('file', `${guest}/absent/name`), {
    ...failed,
    why: /No such file or directory/,
  });
  await assert.rejects(toGuest('file', `${guest}/absent/`), { ...failed, why: /Not a directory/ });
  await session.run([
    'sh',
    '-c',
    `touch ${guest}/file; mkdir ${guest}/directory ${guest}/file-here; chmod 0 ${guest}/file`,
  ]);
  await assert.rejects(toGuest('directory', `${guest}/file`), {
    ...failed,
    why: /cannot overwrite non-directory/,
  });
  await assert.rejects(toHost(`${guest}/absent`, 'came'), { ...failed, why: /absent: Cannot stat/ });
  await assert.rejects(toHost(`${guest}/file`, 'came'), {
    ...failed,
    why: /file: Cannot open: Permission denied/,
  });
  await assert.rejects(toHost(`${guest}/directory`, 'file'), {
    code: 'copy.destination',
    why: /ENOTDIR|not a directory/,
  });
  await assert.rejects(toHost(`${guest}/directory`, 'absent/name'), {
    code: 'copy.destination',
    why: /ENOENT/,
  });
  await session.run(['chmod', '600', `${guest}/file`]);
  await assert.rejects(toHost(`${guest}/file`, 'absent/'), {
    code: 'copy.destination',
    why: /not a directory/,
  });
  assert.deepEqual((await readdir(host)).sort(), ['directory', 'file']);
});

test('reports a full disk in the guest', {
  skip: !server.tiny && 'needs root to mount a tiny disk',
}, async () => {
  await writeFile(join(host, 'large'), randomBytes(3_000_000));
  await assert.rejects(toGuest('large', server.tiny ?? ''), {
    code: 'copy.failed',
    why: /No space left on device|Wrote only/,
  });
  assert.equal((await session.run(['ls', '-A', server.tiny ?? ''])).stdout.toString(), '');
});

test('an interrupted copy leaves nothing on either side', async () => {
  await writeFile(join(host, 'large'), randomBytes(20_000_000));
  await session.run(['sh', '-c', `head -c 20000000 /dev/urandom > ${guest}/source`]);
  for (const copy of [
    (progress: Progress, signal: AbortSignal) => toGuest('large', `${guest}/new`, progress, signal),
    (progress: Progress, signal: AbortSignal) => toHost(`${guest}/source`, 'new', progress, signal),
  ]) {
    const controller = new AbortController();
    const reason = new Error('interrupted');
    const interrupting: Progress = {
      step: (_title, work) => work({ update: () => controller.abort(reason), note: () => {} }),
    };
    await assert.rejects(copy(interrupting, controller.signal), reason);
  }
  assert.deepEqual(await readdir(host), ['large']);
  assert.deepEqual(await readdir(guest), ['source']);
});
