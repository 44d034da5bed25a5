import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { copyOut } from '../../src/channel/copy-out.ts';
import { openSession } from '../../src/channel/ssh.ts';
import { copyDefaults } from '../support/copy.ts';
import { startSshServer } from '../support/ssh-server.ts';
import { type TarEntry, tarOf } from '../support/tar-writer.ts';

// the guest's tar is the attacker's: it prints arbitrary data and reports success
const programs = await mkdtemp(join(tmpdir(), 'holdfast-attacker-'));
const archive = join(programs, 'archive');
await chmod(programs, 0o755);
const printArchive = `cat ${archive}`;
await guestTar(printArchive);
const server = await startSshServer([`SetEnv PATH=${programs}:/usr/bin:/bin`]);
const session = await openSession(await server.connect(), server.identity);
after(async () => {
  await session.close();
  await server.close();
  await rm(programs, { recursive: true });
  await rm(victims, { recursive: true });
});

const victims = await mkdtemp(join(tmpdir(), 'holdfast-victim-'));
let count = 0;
let directory = '';
let outside = '';
let destination = '';
beforeEach(makeVictim);

/** Replaces the guest's tar by a script. */
async function guestTar(script: string): Promise<void> {
  await writeFile(join(programs, 'tar'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** Creates a destination, and files next to it that must not change. */
async function makeVictim(): Promise<void> {
  directory = join(victims, String(count++));
  await mkdir(directory);
  outside = join(directory, 'outside');
  destination = join(directory, 'destination');
  await mkdir(outside);
  await mkdir(destination);
  await writeFile(join(outside, 'precious'), 'precious');
}

/** Copies `wanted` from the attacker. Checks that nothing outside changes and no staging directory is left. */
async function copyFrom(bytes: Buffer): Promise<unknown> {
  await writeFile(archive, bytes);
  const error = await copyOut(session.start, 'wanted', destination, copyDefaults).catch(
    (thrown: unknown) => thrown,
  );
  assert.deepEqual((await readdir(directory)).sort(), ['destination', 'outside']);
  assert.deepEqual(await readdir(outside), ['precious']);
  assert.equal(await readFile(join(outside, 'precious'), 'utf8'), 'precious');
  const arrived = await readdir(destination);
  assert.ok(arrived.length === 0 || (arrived.length === 1 && arrived[0] === 'wanted'), String(arrived));
  return error;
}

const escapes: Readonly<Record<string, () => readonly TarEntry[]>> = {
  'an absolute name': () => [{ name: join(outside, 'planted'), content: 'x' }],
  'an absolute name after what was asked for': () => [
    { name: 'wanted', content: 'x' },
    { name: join(outside, 'precious'), content: 'overwritten' },
  ],
  'a name that climbs': () => [{ name: '../../../outside/planted', content: 'x' }],
  'a name that climbs from within': () => [
    { name: 'wanted/', type: '5', mode: 0o755 },
    { name: 'wanted/../../../../outside/planted', content: 'x' },
  ],
  'a file through an absolute link': () => [
    { name: 'wanted/', type: '5', mode: 0o755 },
    { name: 'wanted/link', type: '2', target: outside },
    { name: 'wanted/link/planted', content: 'x' },
  ],
  'a file through a link that climbs': () => [
    { name: 'wanted', type: '2', target: '../../../outside' },
    { name: 'wanted/planted', content: 'x' },
  ],
  'a file through a chain of links': () => [
    { name: 'wanted/', type: '5', mode: 0o755 },
    { name: 'wanted/a', type: '2', target: '..' },
    { name: 'wanted/a/b', type: '2', target: '..' },
    { name: 'wanted/a/b/c', type: '2', target: '../outside' },
    { name: 'wanted/a/b/c/planted', content: 'x' },
  ],
  'a file written through a link of its own name': () => [
    { name: 'wanted', type: '2', target: join('/', 'absent') },
    { name: 'wanted', type: '2', target: join(outside, 'precious') },
    { name: 'wanted', content: 'overwritten' },
  ],
  'a file written through a hard link': () => [
    { name: 'wanted', type: '1', target: join(outside, 'precious') },
    { name: 'wanted', content: 'overwritten' },
  ],
  'a hard link through a link': () => [
    { name: 'wanted/', type: '5', mode: 0o755 },
    { name: 'wanted/link', type: '2', target: outside },
    { name: 'wanted/stolen', type: '1', target: 'wanted/link/precious' },
  ],
  'a directory in the place of its staging directory': () => [
    { name: '.', type: '5', mode: 0o777 },
    { name: 'wanted', content: 'x' },
    { name: '..', type: '5', mode: 0o777 },
  ],
};

for (const [name, entries] of Object.entries(escapes)) {
  test(`writes nothing outside the destination: ${name}`, async () => {
    await copyFrom(tarOf(entries()));
  });
}

test('rejects pipes and devices, and skips them in a directory', async () => {
  for (const type of ['3', '4', '6'] as const) {
    const error = await copyFrom(tarOf([{ name: 'wanted', type }]));
    assert.equal((error as { code: string }).code, 'copy.kind');
    await makeVictim();
  }
  const within = [
    { name: 'wanted/', type: '5', mode: 0o755 },
    { name: 'wanted/pipe', type: '6' },
    { name: 'wanted/again', type: '1', target: 'wanted/pipe' },
    { name: 'wanted/disk\x1b[2J', type: '4' },
    { name: 'wanted/file' },
  ] as const;
  assert.deepEqual(await copyFrom(tarOf(within)), {
    skipped: [
      { path: 'pipe', kind: 'pipe' },
      { path: 'again', kind: 'pipe' },
      { path: 'disk\\u{1b}[2J', kind: 'device' },
    ],
    skippedCount: 3,
  });
  assert.deepEqual(await readdir(join(destination, 'wanted')), ['file']);
});

test('copies no set-user-id bits', async () => {
  await writeFile(archive, tarOf([{ name: 'wanted', content: '#!/bin/sh\n', mode: 0o6755 }]));
  await copyOut(session.start, 'wanted', destination, copyDefaults);
  const { mode, uid } = await lstat(join(destination, 'wanted'));
  assert.equal(mode & 0o7777, 0o755);
  assert.equal(uid, process.getuid?.());
});

test('ignores items that were not requested', async () => {
  const error = await copyFrom(tarOf([{ name: '.bashrc', content: 'echo planted' }]));
  assert.equal((error as { code: string }).code, 'copy.unsafe');
});

test('reports malformed, truncated and empty archives', async () => {
  const whole = tarOf([{ name: 'wanted', content: 'x'.repeat(100_000) }]);
  for (const bytes of [Buffer.from('nonsense'.repeat(100)), whole.subarray(0, 50_000), Buffer.alloc(0)]) {
    assert.match(((await copyFrom(bytes)) as { code: string }).code, /^copy\.(failed|unsafe)$/);
    await makeVictim();
  }
});

const huge = 8 * 1024 ** 3 - 1;

const floods: Readonly<Record<string, { entries?: readonly TarEntry[]; more: string; why: RegExp }>> = {
  'endless text': { more: 'yes', why: /not a tar archive/ },
  'endless zero bytes': { more: 'cat /dev/zero', why: /data follows its end/ },
  'the same file for ever': {
    entries: [{ name: 'wanted/', type: '5', mode: 0o755 }],
    more: `while :; do head -c 512 ${archive}; done`,
    why: /twice/,
  },
  'an endless pax header': {
    entries: [{ name: 'pax', type: 'x', size: huge }],
    more: 'yes',
    why: /pax header is too large/,
  },
  'a directory with endless content': {
    entries: [{ name: 'wanted', type: '5', size: huge }],
    more: 'yes',
    why: /has content/,
  },
  'an endless map of a sparse file': {
    entries: [
      {
        name: 'pax',
        type: 'x',
        content: '22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n26 GNU.sparse.name=wanted\n',
      },
      { name: 'wanted', size: huge },
    ],
    more: 'echo 999999; yes 0',
    why: /map of a sparse file/,
  },
};

for (const [name, { entries = [], more, why }] of Object.entries(floods)) {
  test(`ends a flood: ${name}`, { timeout: 60_000 }, async () => {
    await guestTar(`head -c -1024 ${archive}; ${more}`); // without the end mark
    const before = process.memoryUsage().rss;
    const error = await copyFrom(tarOf(entries)).finally(() => guestTar(printArchive));
    assert.match((error as { why: string }).why, why);
    assert.equal((error as { code: string }).code, 'copy.unsafe');
    assert.ok(process.memoryUsage().rss - before < 200 * 1024 ** 2);
  });
}

test('reports a lost guest, and a guest that fails after all data', async () => {
  await guestTar(`${printArchive}; echo 'tar: \\033[2Jbroken' >&2; exit 2`);
  const error = await copyFrom(tarOf([{ name: 'wanted', content: 'x' }])).finally(() =>
    guestTar(printArchive),
  );
  assert.deepEqual(
    [(error as { code: string }).code, (error as { why: string }).why],
    ['copy.failed', 'tar: \u{fffd}[2Jbroken'],
  );
  assert.deepEqual(await readdir(destination), []);
});
