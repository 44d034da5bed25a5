import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bytes, GiB, MiB } from '../../../src/base/size.ts';
import { memoryFinding, packageFinding, spaceFinding } from '../../../src/host/checks.ts';
import { examineHost, type Finding, type HostCheck } from '../../../src/host/doctor.ts';
import { type HostPackage, hostPackages } from '../../../src/host/packages.ts';
import { firmwarePath, qemuProgram } from '../../../src/hypervisor/qemu/arguments.ts';

const well: Finding = { verdict: 'ok', found: 'there' };

test('checks run at the same time and answer in their order; one that fails stops no other', async () => {
  let running = 0;
  let most = 0;
  const slow = (name: string, wait: number): HostCheck => ({
    name,
    examine: async () => {
      most = Math.max(most, ++running);
      await sleep(wait);
      running--;
      return well;
    },
  });
  const broken: HostCheck = {
    name: 'broken',
    examine: () => Promise.reject(new Error('no such thing\nat line 1')),
  };
  assert.deepEqual(await examineHost([slow('first', 30), broken, slow('last', 1)]), [
    { name: 'first', ...well },
    { name: 'broken', verdict: 'missing', found: 'cannot be told: no such thing' },
    { name: 'last', ...well },
  ]);
  assert.equal(most, 2);
});

test('a package that machines need is required; one for builds is advice', () => {
  const wanted: HostPackage = { package: 'ovmf', provides: '/firmware', for: 'run', why: 'is firmware' };
  assert.deepEqual(packageFinding(wanted, true, '1.0'), { verdict: 'ok', found: '1.0' });
  assert.equal(packageFinding(wanted, true, undefined).verdict, 'ok');
  const missing = packageFinding(wanted, false, undefined);
  assert.equal(missing.verdict, 'missing');
  assert.match(missing.mend ?? '', /apt-get install ovmf/);
  assert.equal(packageFinding({ ...wanted, for: 'build' }, false, undefined).verdict, 'warning');
  // dpkg says that it is installed, but somebody removed the file
  assert.equal(packageFinding(wanted, false, '1.0').verdict, 'missing');
});

test('memory and disk space have their limits', () => {
  assert.equal(memoryFinding(GiB).verdict, 'ok');
  assert.equal(memoryFinding((GiB - 1) as Bytes).verdict, 'missing');
  assert.equal(spaceFinding((4 * GiB) as Bytes, '/home').verdict, 'ok');
  assert.equal(spaceFinding(GiB, '/home').verdict, 'warning');
  assert.equal(spaceFinding(MiB, '/home').verdict, 'missing');
});

test('what the hypervisor uses is what the list of packages provides', () => {
  const provided = hostPackages.filter((each) => each.for === 'run').map((each) => each.provides);
  assert.ok(provided.includes(firmwarePath));
  assert.ok(provided.includes(qemuProgram));
});
