import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { silent } from '../../src/base/progress.ts';
import { copyOut } from '../../src/channel/copy-out.ts';
import { openSession } from '../../src/channel/ssh.ts';
import { startSshServer } from '../support/ssh-server.ts';
import { type TarEntry, tarOf } from '../support/tar-writer.ts';

// the guest's tar is the attacker's: it prints arbitrary data and reports success
const programs = await mkdtemp(join(tmpdir(), 'holdfast-attacker-'));
const archive = join(programs, 'archive');
await chmod(programs, 0o755);
await writeFile(join(programs, 'tar'), `#!/bin/sh\nexec cat ${archive}\n`, { mode: 0o755 });
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
  const error = await copyOut(
    session.start,
    'wanted',
    destination,
    silent,
    new AbortController().signal,
  ).catch((thrown: unknown) => thrown);
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

test('copies a link that leads elsewhere as a link, and never reads it', async () => {
  await writeFile(archive, tarOf([{ name: 'wanted', type: '2', target: join(outside, 'precious') }]));
  await copyOut(session.start, 'wanted', destination, silent, new AbortController().signal);
  assert.ok((await lstat(join(destination, 'wanted'))).isSymbolicLink());
});

test('rejects pipes and devices', async () => {
  for (const type of ['3', '4', '6'] as const) {
    const error = await copyFrom(tarOf([{ name: 'wanted', type }]));
    // without root, tar cannot create a device at all
    assert.match((error as { code: string }).code, /^copy\.(unsafe|failed)$/);
    await makeVictim();
  }
  const within = [
    { name: 'wanted/', type: '5', mode: 0o755 },
    { name: 'wanted/pipe', type: '6' },
  ] as const;
  assert.equal(((await copyFrom(tarOf(within))) as { code: string }).code, 'copy.unsafe');
});

test('copies no set-user-id bits', async () => {
  await writeFile(archive, tarOf([{ name: 'wanted', content: '#!/bin/sh\n', mode: 0o6755 }]));
  await copyOut(session.start, 'wanted', destination, silent, new AbortController().signal);
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
