import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInstalled } from '../../../src/debian/installed.ts';

test('only completely installed packages count', () => {
  const text =
    'ovmf\tinstalled\t2025.02-8\nmtools\tconfig-files\t4.0\nzstd\tnot-installed\t\nqemu-utils\thalf-configured\t1:10\n';
  assert.deepEqual([...parseInstalled(text)], [['ovmf', '2025.02-8']]);
  assert.equal(parseInstalled('').size, 0);
});
