import assert from 'node:assert/strict';
import { test } from 'node:test';
import { debian } from '../../../src/debian/debian.ts';
import { hostPackages, missingPackages } from '../../../src/host/packages.ts';
import { qemuPackages } from '../../../src/hypervisor/qemu/packages.ts';

const packages = hostPackages({ packages: qemuPackages }, debian);

test('each package is listed once, with a program or a file that proves it', () => {
  const names = packages.map((each) => each.package);
  assert.equal(new Set(names).size, names.length);
  for (const { provides } of packages) assert.match(provides, /^(\/[\w./-]+|[\w.-]+)$/);
});

test('only the packages for the given purposes that are not installed are missing', async () => {
  const asked: string[] = [];
  const host = {
    ...debian.host,
    installedVersions: async (names: readonly string[]) => {
      asked.push(...names);
      return new Map([['openssl', '3']]);
    },
  };
  const missing = await missingPackages(packages, ['run'], { host });
  assert.ok(missing.length > 0 && missing.every((each) => each.for === 'run' && each.package !== 'openssl'));
  assert.ok(asked.includes('openssl') && !asked.includes('nmap'));
});
