import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { confirm } from '../../../src/cli/terminal/confirm.ts';
import { ukiPaths } from '../../../src/disk/layout.ts';
import { bootEntry, readBootState, setBootEntry, setBootOrder } from '../../../src/firmware/boot.ts';
import { createVariableStore } from '../../../src/firmware/create.ts';
import { parseVariableStore, serializeVariableStore } from '../../../src/firmware/store.ts';
import { readVariableStore, writeVariableStore } from '../../../src/firmware/store-file.ts';
import { chooseNextStart } from '../../../src/lifecycle/boot-options.ts';
import { writeConfiguration } from '../../../src/machine/configuration.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { homeAt, parseMachineName } from '../../../src/machine/paths.ts';
import { storedBaseImage } from '../../../src/release/store.ts';
import { machineIdFile } from '../../../src/supervisor/hardware.ts';
import { prepareStart } from '../../../src/supervisor/prepare-start.ts';
import { goodFacts } from '../../support/audit-evidence.ts';
import { certificate } from '../../support/certificate.ts';
import { storeFile } from '../../support/variable-store-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-verity-'));
after(() => rmSync(directory, { recursive: true }));

const machine = new Machine(homeAt(directory), parseMachineName('default'));
const files = machine.paths;
const lines: string[] = [];
const prepare = () => prepareStart(machine, (line) => lines.push(line));

/** Puts the machine back to its first state. */
async function reset(): Promise<void> {
  lines.length = 0;
  rmSync(files.directory, { recursive: true, force: true });
  mkdirSync(files.secrets, { recursive: true });
  writeFileSync(machineIdFile(files.secrets), '0123456789abcdef0123456789abcdef');
  await writeConfiguration(files.configuration, goodFacts.configuration);
  const base = storedBaseImage(machine.home, goodFacts.configuration.release);
  mkdirSync(dirname(base), { recursive: true });
  writeFileSync(base, '');
  writeFileSync(
    files.variables,
    createVariableStore(storeFile(), { pk: certificate, kek: certificate, db: certificate }, ['A']),
  );
}

async function bootedFile(): Promise<string | undefined> {
  return readBootState(await readVariableStore(files.variables)).entries.A?.file;
}

test('a change takes effect at the next start only', async () => {
  await reset();
  assert.equal(await chooseNextStart(machine, { verity: 'off' }), true);
  assert.equal((await machine.configuration()).verity, 'off');
  assert.equal(await bootedFile(), ukiPaths.on);
  const off = await prepare();
  assert.equal(await bootedFile(), ukiPaths.off);
  assert.ok(off.credentials['holdfast.verity'], 'the host says so too');
  assert.deepEqual(lines, ['UEFI variables written: verity is off']);

  assert.equal(await chooseNextStart(machine, { verity: 'on' }), true);
  const on = await prepare();
  assert.equal(await bootedFile(), ukiPaths.on);
  assert.equal(on.credentials['holdfast.verity'], undefined);
});

test('leaves an existing setting unchanged', async () => {
  await reset();
  const before = readFileSync(files.configuration);
  assert.equal(await chooseNextStart(machine, { verity: 'on' }), false);
  assert.deepEqual(readFileSync(files.configuration), before);
  await prepare();
  assert.deepEqual(lines, []);
});

test('a boot entry that the guest changed is restored before the next start', async () => {
  await reset();
  const store = await readVariableStore(files.variables);
  await writeVariableStore(files.variables, setBootEntry(store, 'A', bootEntry('A', ukiPaths.off)));
  const { credentials } = await prepare();
  assert.equal(await bootedFile(), ukiPaths.on);
  assert.equal(credentials['holdfast.verity'], undefined);
});

test('a torn variable store is replaced with its state at the last start or change', async () => {
  await reset();
  await prepare();
  const whole = readFileSync(files.variables);
  const withoutOrder = serializeVariableStore(setBootOrder(parseVariableStore(whole), []));
  for (const torn of [Buffer.from(whole).fill(0, 0x48, 0x2000), whole.subarray(0, 100), withoutOrder]) {
    writeFileSync(files.variables, torn);
    await prepare();
    assert.ok(readFileSync(files.variables).equals(whole));
    assert.match(lines.pop() ?? '', /were torn/);
  }
  await prepare();
  assert.deepEqual(lines, []);
});

test('does not start with a damaged variable store', async () => {
  await reset();
  writeFileSync(files.variables, storeFile().fill(0, 0, 100));
  await assert.rejects(prepare(), { code: 'firmware.variables' });
});

test('rejects a change of a missing machine', async () => {
  await assert.rejects(
    chooseNextStart(new Machine(machine.home, parseMachineName('other')), { verity: 'off' }),
    {
      code: 'machine.none',
    },
  );
});

/** A terminal on which this is typed. */
function terminal(typed: string) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const stderr = Object.assign(new PassThrough(), { isTTY: true });
  stdin.write(typed);
  return {
    streams: { stdin, stderr },
    signal: new AbortController().signal,
    json: false,
    machine: { name: 'gw' },
  };
}

test('accepts only yes as confirmation', async () => {
  for (const yes of ['y\n', 'Yes\n', ' yes \n']) await confirm(terminal(yes), 'risk.');
  for (const no of ['\n', 'n\n', 'yesterday\n', 'no yes\n'])
    await assert.rejects(confirm(terminal(no), 'risk.'), { code: 'usage.declined', exitCode: 1 });
  const closed = terminal('');
  closed.streams.stdin.end();
  await assert.rejects(confirm(closed, 'risk.'), { code: 'usage.declined' });
});

test('without a terminal, and with --json, a flag must confirm', async () => {
  const call = terminal('yes\n');
  const piped = { ...call, streams: { ...call.streams, stdin: new PassThrough() } };
  for (const each of [piped, { ...call, json: true }])
    await assert.rejects(confirm(each, 'risk.'), {
      code: 'usage.unconfirmed',
      exitCode: 2,
      why: 'risk.',
    });
});
