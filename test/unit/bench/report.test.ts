import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Comparison, measure, median } from '../../../bench/measure.ts';
import { report } from '../../../bench/report.ts';

const comparison = { name: 'time', peerName: 'peer', unit: 'ms', runs: 3 };

test('the median is the middle, or the mean of the two in the middle', () => {
  assert.equal(median([5]), 5);
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([1, 2, 10, 4]), 3);
});

test('both sides are measured in turn, and the first of each is not counted', async () => {
  const calls: string[] = [];
  const side = (name: string) => async () => calls.push(name);
  const told: number[][] = [];
  const measured = await measure(
    { ...comparison, ours: side('ours'), peer: side('peer') } satisfies Comparison,
    (...pair) => told.push(pair),
  );
  assert.deepEqual(calls, ['ours', 'peer', 'ours', 'peer', 'ours', 'peer', 'ours', 'peer']);
  assert.deepEqual(measured.ours, [3, 5, 7]);
  assert.deepEqual(measured.peer, [4, 6, 8]);
  assert.deepEqual(told, [
    [0, 1, 2],
    [1, 3, 4],
    [2, 5, 6],
    [3, 7, 8],
  ]);
});

test('the last line is the comparison that is worst against its target', () => {
  const never = { ours: () => Promise.reject(), peer: () => Promise.reject() };
  const lines = report('deploy', [
    {
      comparison: { ...comparison, ...never, target: 0.5, notes: () => ['firmware 5 s'] },
      ours: [1, 2, 3],
      peer: [10, 10, 10],
    },
    {
      comparison: { ...comparison, ...never, name: 'disk', unit: 'MB', target: 64, targetOf: 'ours' },
      ours: [65, 66, 80],
      peer: [4321, 4321, 4321.5],
    },
    { comparison: { ...comparison, ...never, name: 'extra' }, ours: [9, 9, 9], peer: [1, 1, 1] },
  ]);
  assert.ok(lines.includes('deploy.time ours=2 peer=10 ratio=0.2 target=0.5'));
  assert.ok(lines.includes('  ratio at most 0.5: target met'));
  assert.ok(lines.includes('  firmware 5 s'));
  assert.ok(lines.includes('  ours at most 64 MB: target missed'));
  assert.ok(lines.includes('deploy.extra ours=9 peer=1 ratio=9 target=none'));
  assert.equal(lines.at(-1), 'deploy ours=66 peer=4321 ratio=0.0153 target=64');
});

test('a bench without any target is a mistake', () => {
  assert.throws(() => report('empty', []), /no comparison with a target/);
});
