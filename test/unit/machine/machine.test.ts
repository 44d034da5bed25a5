import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { takeLock } from '../../../src/base/lock.ts';
import { type MachineConfiguration, writeConfiguration } from '../../../src/machine/configuration.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { homeAt, parseMachineName } from '../../../src/machine/paths.ts';
import { goodFacts } from '../../support/audit-evidence.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-machine-'));
after(() => rmSync(directory, { recursive: true }));

const home = homeAt(directory);
const name = parseMachineName('default');
const path = new Machine(home, name).paths.configuration;

/** Writes the first configuration again. */
async function reset(): Promise<void> {
  rmSync(home.machines, { recursive: true, force: true });
  mkdirSync(join(home.machines, name), { recursive: true });
  await writeConfiguration(path, goodFacts.configuration);
}

const withCpus = (cpus: number) => (before: MachineConfiguration) => ({ ...before, cpus });

test('reads the configuration once, and again only when asked to', async () => {
  await reset();
  const machine = new Machine(home, name);
  const [one, other] = await Promise.all([machine.configuration(), machine.configuration()]);
  assert.equal(one, other);
  await new Machine(home, name).update('another process', withCpus(7));
  assert.equal((await machine.configuration()).cpus, one.cpus);
  assert.equal((await machine.reload()).cpus, 7);
  assert.equal((await machine.configuration()).cpus, 7);
});

test('updates the current content of the file, and caches it', async () => {
  await reset();
  const machine = new Machine(home, name);
  await machine.configuration();
  await new Machine(home, name).update('another process', withCpus(7));
  const { changed } = await machine.update('test', (before) => ({ ...before, verity: 'off' }));
  assert.equal(changed, true);
  const { cpus, verity } = await machine.configuration();
  assert.deepEqual({ cpus, verity }, { cpus: 7, verity: 'off' });
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')).cpus, 7);
});

test('writes nothing when the change returns what it was given, or throws', async () => {
  await reset();
  const machine = new Machine(home, name);
  const { ino } = statSync(path);
  const { changed } = await machine.update('test', (before) => before);
  assert.equal(changed, false);
  const change = () => Promise.reject(new Error('no'));
  await assert.rejects(machine.update('test', change), /no/);
  assert.equal(statSync(path).ino, ino);
  assert.equal((await machine.update('test', withCpus(3))).changed, true, 'the lock is free again');
});

test('updates only under the lock of the machine', async () => {
  await reset();
  const machine = new Machine(home, name);
  const lock = await takeLock(machine.paths.lock, 'deploy');
  await assert.rejects(machine.update('test', withCpus(3)), { code: 'lock.held' });
  await lock.release();
  await machine.locked('test', async () => {
    await assert.rejects(new Machine(home, name).update('another', withCpus(3)), { code: 'lock.held' });
    assert.equal((await machine.updateLocked(withCpus(3))).configuration.cpus, 3);
  });
});

test('leaves no lock for a machine that does not exist', async () => {
  await reset();
  const machine = new Machine(home, parseMachineName('none'));
  await assert.rejects(machine.update('test', withCpus(3)), { code: 'machine.none' });
  assert.equal(existsSync(machine.paths.lock), false);
});

test('reads a damaged configuration again once it is repaired', async () => {
  await reset();
  const machine = new Machine(home, name);
  writeFileSync(path, 'x');
  await assert.rejects(machine.configuration(), { code: 'machine.damaged' });
  await writeConfiguration(path, goodFacts.configuration);
  assert.equal((await machine.configuration()).name, goodFacts.configuration.name);
});
