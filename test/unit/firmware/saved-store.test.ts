import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readBootState, setBootOrder } from '../../../src/firmware/boot.ts';
import {
  readIntactStore,
  restoreVariableStore,
  savedPath,
  saveVariableStore,
} from '../../../src/firmware/saved-store.ts';
import { parseVariableStore, serializeVariableStore, setVariables } from '../../../src/firmware/store.ts';
import { firmwareRecord, record, storeFile } from '../../support/variable-store-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-kept-'));
after(() => rmSync(directory, { recursive: true }));
const path = join(directory, 'variables.fd');

const unordered = storeFile(firmwareRecord());
const ours = (slot: 'A' | 'B') => serializeVariableStore(setBootOrder(parseVariableStore(unordered), [slot]));
/** A store with one page missing, as after a power failure. */
const torn = Buffer.from(ours('B')).fill(0, 0, 4096);

/** Writes a complete store and saves a copy of it. */
async function reset(): Promise<void> {
  writeFileSync(path, ours('A'));
  await saveVariableStore(path);
}

async function order(): Promise<readonly string[]> {
  return readBootState((await readIntactStore(path)).store).order;
}

test('prefers a complete store to its saved copy', async () => {
  await reset();
  writeFileSync(path, ours('B'));
  assert.deepEqual(await order(), ['B']);
  assert.equal(await restoreVariableStore(path), false);
  assert.ok(readFileSync(path).equals(ours('B')));
});

for (const [what, image] of [
  ['is torn', torn],
  ['has no order of boot', unordered],
  ['ends early', ours('B').subarray(0, 4096)],
] as const) {
  test(`replaces a store that ${what} with its saved copy, once`, async () => {
    await reset();
    writeFileSync(path, image);
    assert.deepEqual(await order(), ['A']);
    assert.ok(readFileSync(path).equals(image), 'reading changes nothing');
    assert.equal(await restoreVariableStore(path), true);
    assert.ok(readFileSync(path).equals(ours('A')));
    assert.equal(await restoreVariableStore(path), false);
  });
}

test('does not save a torn store, nor write an unchanged copy again', async () => {
  await reset();
  const { ino, mode } = statSync(savedPath(path));
  assert.equal(mode & 0o777, 0o600);
  await saveVariableStore(path);
  assert.equal(statSync(savedPath(path)).ino, ino);
  writeFileSync(path, torn);
  await assert.rejects(saveVariableStore(path), { code: 'firmware.variables' });
  assert.ok(readFileSync(savedPath(path)).equals(ours('A')));
});

test('without a saved copy, rejects a torn store and accepts one without a boot order', async () => {
  await reset();
  rmSync(savedPath(path));
  writeFileSync(path, unordered);
  assert.deepEqual(await order(), []);
  writeFileSync(path, torn);
  await assert.rejects(restoreVariableStore(path), { code: 'firmware.variables' });
});

test('does not save what the guest added', async () => {
  await reset();
  const junk = parseVariableStore(storeFile(record({ name: 'Junk' }))).variables;
  writeFileSync(path, serializeVariableStore(setVariables(parseVariableStore(ours('A')), ...junk)));
  await saveVariableStore(path);
  assert.ok(readFileSync(savedPath(path)).equals(ours('A')));
});
