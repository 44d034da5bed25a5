import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { after, test } from 'node:test';
import { start } from '../../src/base/process.ts';
import { findProcesses } from '../../src/base/process-table.ts';
import { swtpmStateArguments } from '../../src/tpm/virtual/swtpm.ts';
import { makeVirtualTpm, virtualTpmState } from '../../src/tpm/virtual/virtual-tpm.ts';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-vtpm-'));
after(() => rm(directory, { recursive: true }));

const processes = () => findProcesses((argv) => argv.some((word) => word.includes(directory)));

test('creates the TPM of a machine once, for its owner only, and leaves no process running', async () => {
  const tpm = join(directory, 'tpm');
  assert.equal(await makeVirtualTpm(tpm), true);
  const state = virtualTpmState(tpm);
  const key = await readFile(state.key, 'utf8');
  assert.match(key, /^[0-9a-f]{64}$/);
  for (const path of [tpm, state.directory, state.key])
    assert.equal((await stat(path)).mode & 0o077, 0, `${path} is the owner's`);
  assert.equal(await makeVirtualTpm(tpm), false);
  assert.equal(await readFile(state.key, 'utf8'), key);
  assert.deepEqual(await processes(), []);
});

test('recreates a TPM whose creation was interrupted', async () => {
  const tpm = join(directory, 'cut');
  await mkdir(`${tpm}.new/state`, { recursive: true });
  await writeFile(`${tpm}.new/state/tpm2-00.permall`, 'half');
  assert.equal(await makeVirtualTpm(tpm), true);
  assert.ok(!(await readdir(directory)).includes('cut.new'));
});

test('two machines have different keys, and the state of one is useless with the key of the other', async () => {
  const [one, two] = [join(directory, 'one'), join(directory, 'two')];
  await makeVirtualTpm(one);
  await makeVirtualTpm(two);
  const { directory: state, key } = virtualTpmState(one);
  const other = virtualTpmState(two).key;
  assert.notEqual(await readFile(key, 'utf8'), await readFile(other, 'utf8'));
  const opens = async (keyFile: string) => {
    const words = swtpmStateArguments({ directory: state, key: keyFile });
    const flags = ['--fd', '3', '--terminate', '--flags', 'not-need-init,startup-clear'];
    const child = start('swtpm', [...words, ...flags], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const connection = child.stdio[3];
    assert.ok(connection instanceof Duplex);
    connection.on('error', () => {}); // the TPM may close it first
    connection.end();
    return (await once(child, 'exit'))[0] === 0;
  };
  assert.equal(await opens(other), false);
  assert.equal(await opens(key), true);
});

test('rejects a path that swtpm does not accept and names it', async () => {
  await assert.rejects(makeVirtualTpm(join(directory, 'a,b')), { code: 'tpm.path' });
});
