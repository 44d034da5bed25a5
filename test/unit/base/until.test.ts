import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../../src/base/until.ts';

const endless = { within: Number.POSITIVE_INFINITY, every: 1 };

test('asks until there is an answer, and returns it', async () => {
  const answers = [undefined, false, 'yes', 'too late'] as const;
  let asked = 0;
  assert.equal(await until(endless, () => answers[asked++]), 'yes');
  assert.equal(asked, 3);
});

test('zero and the empty string are answers', async () => {
  assert.equal(await until(endless, () => 0), 0);
  assert.equal(await until(endless, async () => ''), '');
});

test('asks once when there is no time at all', async () => {
  let asked = 0;
  assert.equal(await until({ within: 0, every: 1 }, () => ++asked > 1), undefined);
  assert.equal(asked, 1);
});

test('the time that the questions take counts', async () => {
  let asked = 0;
  const began = performance.now();
  const answer = await until({ within: 60, every: 1 }, async () => {
    asked++;
    await sleep(25);
    return undefined;
  });
  assert.equal(answer, undefined);
  assert.ok(asked <= 3, `${asked} questions of 25 ms within 60 ms`);
  assert.ok(performance.now() - began < 1000);
});

test('no pause goes beyond the deadline, and the question at the deadline may be answered', async () => {
  const began = performance.now();
  let asked = 0;
  assert.equal(await until({ within: 20, every: 60_000 }, () => ++asked === 2), true);
  assert.ok(performance.now() - began < 5000);
});

test('pauses may grow', async () => {
  const counts: number[] = [];
  const every = (asked: number) => {
    counts.push(asked);
    return 1;
  };
  await until({ within: 60_000, every }, () => counts.length === 3);
  assert.deepEqual(counts, [1, 2, 3]);
});

test('a question learns how much time is left', async () => {
  const lefts: number[] = [];
  await until({ within: 40, every: 10 }, (left) => {
    lefts.push(left);
    return false;
  });
  assert.ok(lefts.length >= 2);
  assert.ok(lefts.every((left, index) => left >= 0 && left <= (lefts[index - 1] ?? 40)));
});

test('an abort ends a pause with its own reason', async () => {
  const abort = new AbortController();
  const reason = new Error('interrupted');
  const waiting = until({ within: 60_000, every: 60_000, signal: abort.signal }, () => undefined);
  setTimeout(() => abort.abort(reason), 5);
  await assert.rejects(waiting, reason);
});

test('nothing is asked once aborted', async () => {
  const reason = new Error('interrupted');
  const signal = AbortSignal.abort(reason);
  const asked = until({ ...endless, signal }, () => assert.fail('asked'));
  await assert.rejects(asked, reason);
});

test('an error of the question ends the wait', async () => {
  await assert.rejects(
    until(endless, () => Promise.reject(new Error('broken'))),
    /broken/,
  );
});
