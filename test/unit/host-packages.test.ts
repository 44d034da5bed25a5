import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPackages, parseInstalled } from '../../src/machine/host-packages.ts';

test('only packages that are wholly installed count', () => {
  const text = 'ovmf\tinstalled\nmtools\tconfig-files\nzstd\tnot-installed\nqemu-utils\thalf-configured\n';
  assert.deepEqual([...parseInstalled(text)], ['ovmf']);
  assert.equal(parseInstalled('').size, 0);
});

test('each package is listed once, with a program or a file that proves it', () => {
  const names = hostPackages.map((each) => each.package);
  assert.equal(new Set(names).size, names.length);
  for (const { provides } of hostPackages) assert.match(provides, /^(\/[\w./-]+|[\w.-]+)$/);
});
