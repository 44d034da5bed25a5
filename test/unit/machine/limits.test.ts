import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, GiB, MiB, TiB } from '../../../src/base/size.ts';
import {
  checkCpus,
  checkDataSize,
  checkMemory,
  checkSettings,
  defaults,
  type HostResources,
} from '../../../src/machine/limits.ts';

const host: HostResources = { cores: 4, freeMemory: (8 * GiB) as Bytes };
const mb = (count: number) => (count * MiB) as Bytes;

test("the defaults are EFLOW's and within the limits", () => {
  assert.deepEqual(defaults, {
    cpus: 1,
    memory: mb(1024),
    dataSize: mb(10 * 1024),
    logSize: 'small',
    transport: 'vsock',
  });
  checkSettings(defaults, { cores: 1, freeMemory: mb(1024) });
});

for (const cpus of [0, -1, 5, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
  test(`rejects ${cpus} CPUs on a host with 4 cores`, () => {
    assert.throws(() => checkCpus(cpus, host), { code: 'limit.cpus', exitCode: 2 });
  });

for (const cpus of [1, 4])
  test(`accepts ${cpus} CPUs on a host with 4 cores`, () => {
    assert.equal(checkCpus(cpus, host), cpus);
  });

const refusedMemory: readonly (readonly [Bytes, RegExp])[] = [
  [mb(1022), /at least 1024 MB/],
  [mb(0), /at least 1024 MB/],
  [mb(1025), /even number/],
  [(mb(2048) + 1) as Bytes, /even number/],
  [mb(8194), /8192 MB are free/],
];
for (const [memory, why] of refusedMemory)
  test(`rejects ${memory / MiB} MB of memory`, () => {
    assert.throws(() => checkMemory(memory, host), { code: 'limit.memory', exitCode: 2, why });
  });

test('proposes the next even memory size for an odd one', () => {
  assert.throws(() => checkMemory(mb(1025), host), { next: 'choose 1026MB' });
});

for (const memory of [mb(1024), mb(1026), mb(8192)])
  test(`accepts ${memory / MiB} MB of memory`, () => {
    assert.equal(checkMemory(memory, host), memory);
  });

for (const size of [mb(2047), mb(2 * 1024 * 1024 + 1), (2 * GiB + 512) as Bytes, 0 as Bytes])
  test(`rejects a data partition of ${size} bytes`, () => {
    assert.throws(() => checkDataSize(size), { code: 'limit.data-size', exitCode: 2 });
  });

for (const size of [mb(2048), (2 * TiB) as Bytes])
  test(`accepts a data partition of ${size} bytes`, () => {
    assert.equal(checkDataSize(size), size);
  });

test('all errors are reported at once', () => {
  const wrong = { ...defaults, cpus: 99, memory: mb(1025), dataSize: mb(1) };
  assert.throws(
    () => checkSettings(wrong, host),
    (error: unknown) => {
      assert.ok(error instanceof AggregateError);
      assert.deepEqual(
        error.errors.map((each: { code: string }) => each.code),
        ['limit.cpus', 'limit.memory', 'limit.data-size'],
      );
      return true;
    },
  );
});

test('throws a single error unchanged', () => {
  assert.throws(() => checkSettings({ cpus: 99 }, host), { code: 'limit.cpus' });
});
