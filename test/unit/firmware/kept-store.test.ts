import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readBootState, setBootOrder } from '../../../src/firmware/boot.ts';
import {
  keepVariableStore,
  keptPath,
  readSoundStore,
  restoreVariableStore,
} from '../../../src/firmware/kept-store.ts';
import { parseVariableStore, serialiseVariableStore } from '../../../src/firmware/store.ts';
import { record, storeFile } from '../../support/variable-store-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-kept-'));
after(() => rmSync(directory, { recursive: true }));
const path = join(directory, 'variables.fd');

const nobodys = storeFile(record());
const ours = (slot: 'A' | 'B') => serialiseVariableStore(setBootOrder(parseVariableStore(nobodys), [slot]));
/** As some pages of it are written and others are not. */
const torn = Buffer.from(ours('B')).fill(0, 0, 4096);

/** A whole store, and a copy of it. */
async function reset(): Promise<void> {
  writeFileSync(path, ours('A'));
  await keepVariableStore(path);
}

async function order(): Promise<readonly string[]> {
  return readBootState((await readSoundStore(path)).store).order;
}

test('a store that is whole counts, and not what was kept of it', async () => {
  await reset();
  writeFileSync(path, ours('B'));
  assert.deepEqual(await order(), ['B']);
  assert.equal(await restoreVariableStore(path), false);
  assert.ok(readFileSync(path).equals(ours('B')));
});

for (const [what, image] of [
  ['is torn', torn],
  ['has no order of boot', nobodys],
  ['ends early', ours('B').subarray(0, 4096)],
] as const) {
  test(`in the place of a store that ${what} comes what was kept, once`, async () => {
    await reset();
    writeFileSync(path, image);
    assert.deepEqual(await order(), ['A']);
    assert.ok(readFileSync(path).equals(image), 'looking changes nothing');
    assert.equal(await restoreVariableStore(path), true);
    assert.ok(readFileSync(path).equals(ours('A')));
    assert.equal(await restoreVariableStore(path), false);
  });
}

test('nothing torn is kept, and what is kept already is not written again', async () => {
  await reset();
  const { ino, mode } = statSync(keptPath(path));
  assert.equal(mode & 0o777, 0o600);
  await keepVariableStore(path);
  assert.equal(statSync(keptPath(path)).ino, ino);
  writeFileSync(path, torn);
  await assert.rejects(keepVariableStore(path), { code: 'firmware.variables' });
  assert.ok(readFileSync(keptPath(path)).equals(ours('A')));
});

test('without a copy a torn store is an error, and one without an order of boot is what it is', async () => {
  await reset();
  rmSync(keptPath(path));
  writeFileSync(path, nobodys);
  assert.deepEqual(await order(), []);
  writeFileSync(path, torn);
  await assert.rejects(restoreVariableStore(path), { code: 'firmware.variables' });
});
