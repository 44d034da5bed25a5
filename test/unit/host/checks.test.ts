import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../../../src/base/errors.ts';
import { type Bytes, GiB, MiB } from '../../../src/base/size.ts';
import { debian } from '../../../src/debian/debian.ts';
import type { HostPackage } from '../../../src/distribution/distribution.ts';
import { memoryFinding, packageFinding, socketPathFinding, spaceFinding } from '../../../src/host/checks.ts';
import { checkSocketPaths } from '../../../src/hypervisor/socket-paths.ts';
import { homeAt, longestMachineName, machinePaths, parseMachineName } from '../../../src/machine/paths.ts';

test('a missing package for machines is an error; one for builds is a warning', () => {
  const wanted: HostPackage = { package: 'ovmf', provides: '/firmware', for: 'run', why: 'is firmware' };
  assert.deepEqual(packageFinding(wanted, debian.host, true, '1.0'), { verdict: 'ok', found: '1.0' });
  assert.equal(packageFinding(wanted, debian.host, true, undefined).verdict, 'ok');
  const missing = packageFinding(wanted, debian.host, false, undefined);
  assert.equal(missing.verdict, 'missing');
  assert.match(missing.remedy ?? '', /apt-get install ovmf/);
  assert.equal(packageFinding({ ...wanted, for: 'build' }, debian.host, false, undefined).verdict, 'warning');
  // dpkg lists it as installed, but its file was removed
  assert.equal(packageFinding(wanted, debian.host, false, '1.0').verdict, 'missing');
});

test('memory and disk space have limits', () => {
  assert.equal(memoryFinding(GiB).verdict, 'ok');
  assert.equal(memoryFinding((GiB - 1) as Bytes).verdict, 'missing');
  assert.equal(spaceFinding((4 * GiB) as Bytes, '/home').verdict, 'ok');
  assert.equal(spaceFinding(GiB, '/home').verdict, 'warning');
  assert.equal(spaceFinding(MiB, '/home').verdict, 'missing');
});

test('doctor and deploy agree on the machine names that fit a home', () => {
  const seen = new Set<string>();
  for (let length = 1; length <= 107; length++) {
    const home = homeAt(`/${'h'.repeat(length)}`);
    const canDeploy = (characters: number) => {
      try {
        checkSocketPaths(machinePaths(home, parseMachineName('x'.repeat(characters))).run);
        return true;
      } catch (error) {
        assert.ok(error instanceof HoldfastError);
        assert.deepEqual([error.code, error.exitCode], ['home.too-long', 2]);
        return false;
      }
    };
    const names = Array.from({ length: longestMachineName }, (_, index) => index + 1);
    const room = names.filter(canDeploy).length;
    const { verdict, found, remedy } = socketPathFinding(home);
    seen.add(verdict);
    assert.equal(verdict === 'ok', room === longestMachineName, `a home of ${length + 1} bytes`);
    assert.equal(verdict === 'missing', !canDeploy('default'.length), `a home of ${length + 1} bytes`);
    assert.equal(remedy === undefined, verdict === 'ok');
    if (verdict !== 'ok' && room > 0) assert.match(found, new RegExp(`more than ${room} characters`));
  }
  assert.equal(seen.size, 3);
});
