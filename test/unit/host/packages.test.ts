import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPackages, parseInstalled } from '../../../src/host/packages.ts';

test('only packages that are wholly installed count', () => {
  const text =
    'ovmf\tinstalled\t2025.02-8\nmtools\tconfig-files\t4.0\nzstd\tnot-installed\t\nqemu-utils\thalf-configured\t1:10\n';
  assert.deepEqual([...parseInstalled(text)], [['ovmf', '2025.02-8']]);
  assert.equal(parseInstalled('').size, 0);
});

test('each package is listed once, with a program or a file that proves it', () => {
  const names = hostPackages.map((each) => each.package);
  assert.equal(new Set(names).size, names.length);
  for (const { provides } of hostPackages) assert.match(provides, /^(\/[\w./-]+|[\w.-]+)$/);
});
