import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readBootState, setBootOrder } from '../../../src/firmware/boot.ts';
import { parseVariableStore, type VariableStore } from '../../../src/firmware/store.ts';
import {
  readVariableStore,
  repairVariableStore,
  writeVariableStore,
} from '../../../src/firmware/store-file.ts';
import {
  firmwareRecord,
  loggedWrite,
  logStart,
  record,
  spareStart,
  storeFile,
} from '../../support/variable-store-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-variables-'));
after(() => rmSync(directory, { recursive: true }));
const path = join(directory, 'variables.fd');
const same = (store: VariableStore) => store;

test('writes a store atomically with mode 0600 and reads it back', async () => {
  const store = setBootOrder(parseVariableStore(storeFile(firmwareRecord())), ['B']);
  await writeVariableStore(path, store);
  assert.deepEqual(await readVariableStore(path), store);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(directory), ['variables.fd']);
});

test('completes an interrupted write of the firmware once', async () => {
  const whole = storeFile(firmwareRecord());
  const cut = Buffer.from(whole);
  whole.copy(cut, spareStart, 0, 0x40000);
  loggedWrite({ headerState: 0xfc, recordState: 0xfd }).copy(cut, logStart + 32);
  writeFileSync(path, cut.fill(0xff, 0, 0x2000));
  assert.ok(await repairVariableStore(path, same));
  assert.ok(readFileSync(path).equals(whole));
  assert.equal(await repairVariableStore(path, same), undefined);
});

test('writes a change once, and nothing if the store is already so', async () => {
  writeFileSync(path, storeFile(firmwareRecord()));
  const change = (store: VariableStore) => setBootOrder(store, ['A']);
  assert.ok(await repairVariableStore(path, change));
  const { ino } = statSync(path);
  assert.deepEqual(readBootState(await readVariableStore(path)).order, ['A']);
  assert.equal(await repairVariableStore(path, change), undefined);
  assert.equal(statSync(path).ino, ino);
});

test('rejects a damaged or oversized file and leaves it unchanged', async () => {
  const damaged = storeFile().fill(0, 0, 100);
  writeFileSync(path, damaged);
  await assert.rejects(repairVariableStore(path, same), { code: 'firmware.variables' });
  await assert.rejects(readVariableStore(path), { code: 'firmware.variables' });
  assert.ok(readFileSync(path).equals(damaged));
  writeFileSync(path, Buffer.alloc(damaged.length + 1));
  await assert.rejects(readVariableStore(path), { code: 'file.too-large' });
});

test('removes what the guest added to a full store, and frees the space of deleted variables', async () => {
  const clean = storeFile(firmwareRecord());
  const filled = (state: number) =>
    storeFile(
      firmwareRecord(),
      ...Array.from({ length: 160 }, (_, each) =>
        record({ state, name: `Junk${each}`, data: Buffer.alloc(1500) }),
      ),
    );
  writeFileSync(path, filled(0x3f));
  const before = await repairVariableStore(path, same);
  assert.equal(before?.variables.length, 161);
  assert.ok(readFileSync(path).equals(clean));
  writeFileSync(path, filled(0x3c)); // deleted
  assert.equal((await repairVariableStore(path, same))?.variables.length, 1);
  assert.ok(readFileSync(path).equals(clean));
  assert.equal(await repairVariableStore(path, same), undefined);
});

test('writes own variables only', async () => {
  const store = parseVariableStore(storeFile(firmwareRecord(), record({ name: 'Junk' })));
  await writeVariableStore(path, store);
  assert.ok(readFileSync(path).equals(storeFile(firmwareRecord())));
});
