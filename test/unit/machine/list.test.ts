import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { machineNames } from '../../../src/machine/list.ts';
import { homeAt } from '../../../src/machine/paths.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-list-'));
after(() => rmSync(directory, { recursive: true }));

test('machines are listed in order, without locks and drafts', async () => {
  const home = homeAt(directory);
  assert.deepEqual(await machineNames(home), []);
  for (const name of ['zebra', 'a1', '.a1.new', 'UPPER'])
    mkdirSync(join(home.machines, name), { recursive: true });
  writeFileSync(join(home.machines, 'a1.lock'), '');
  assert.deepEqual(await machineNames(home), ['a1', 'zebra']);
});
