import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bootEntry, readBootState, setBootEntry, setBootOrder } from '../../../src/firmware/boot.ts';
import { readVariableStore, writeVariableStore } from '../../../src/firmware/store-file.ts';
import { fallBack } from '../../../src/supervisor/fallback.ts';
import { goodFacts } from '../../support/audit-evidence.ts';

test('the next start is one of the second slot, and the committed slot stays committed', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-fall-back-'));
  const path = join(directory, 'variables.fd');
  try {
    await writeVariableStore(path, goodFacts.variables);
    assert.equal(await fallBack(path, assert.fail), false, 'slot A alone is in the order');
    const both = setBootOrder(setBootEntry(goodFacts.variables, 'B', bootEntry('B')), ['B', 'A']);
    await writeVariableStore(path, both);
    const lines: string[] = [];
    assert.equal(await fallBack(path, (line) => lines.push(line)), true);
    const { order, next } = readBootState(await readVariableStore(path));
    assert.deepEqual([order, next], [['B', 'A'], 'A']);
    assert.deepEqual(lines, ['slot B does not come up: A is started in its place']);
  } finally {
    await rm(directory, { recursive: true });
  }
});
