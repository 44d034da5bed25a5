import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostCheck, HostFinding } from '../../../src/base/host-check.ts';
import { examineHost } from '../../../src/host/doctor.ts';

const well: HostFinding = { verdict: 'ok', found: 'there' };

test('checks run concurrently and report in order, and one that fails stops no other', async () => {
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
    { name: 'broken', verdict: 'missing', found: 'the check failed: no such thing' },
    { name: 'last', ...well },
  ]);
  assert.equal(most, 2);
});
