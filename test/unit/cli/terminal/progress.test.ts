import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { silent } from '../../../../src/base/progress.ts';
import { formatDuration, lineOf, showOn } from '../../../../src/cli/terminal/progress.ts';

/** A stream with the property of a terminal. */
function streamOf(isTTY: boolean, columns = 80): PassThrough & { isTTY: boolean; columns: number } {
  return Object.assign(new PassThrough(), { isTTY, columns });
}

test('prints nothing unless on a terminal or in plain mode', () => {
  assert.equal(showOn(streamOf(false), {}), silent);
  assert.notEqual(showOn(streamOf(true), {}), silent);
  assert.equal(showOn(streamOf(true, 0), {}), silent, 'a terminal without a size');
  assert.notEqual(showOn(streamOf(false), { HOLDFAST_PROGRESS: 'plain' }), silent);
});

test('plain: one line when a step starts and one when it ends, also when it fails', async () => {
  const stream = streamOf(false);
  const progress = showOn(stream, { HOLDFAST_PROGRESS: 'plain' });
  assert.equal(await progress.step('Building', async () => 7), 7);
  await assert.rejects(
    progress.step('Signing', () => Promise.reject(new Error('no key'))),
    /no key/,
  );
  assert.match(
    String(stream.read()),
    /^\.{5} Building\ndone {2}Building \(\d.*s\)\n\.{5} Signing\nfailed Signing \(\d.*s\)\n$/,
  );
});

test('a terminal shows nothing of steps that end at once', async () => {
  const stream = streamOf(true);
  await showOn(stream, {}).step('Quick', async (step) => step.note('x'));
  assert.equal(stream.read(), null);
});

test('a line shows amount and time left', () => {
  const startedAt = 1000;
  const at = (seconds: number) => startedAt + seconds * 1000;
  assert.equal(lineOf({ title: 'Copying', startedAt }, at(5)), 'Copying');
  assert.equal(
    lineOf(
      { title: 'Copying', startedAt, amount: { done: 1024 ** 2, total: 4 * 1024 ** 2, unit: 'bytes' } },
      at(10),
    ),
    'Copying: 1 MB of 4 MB, 30 s left',
  );
  assert.equal(
    lineOf({ title: 'Copying', startedAt, amount: { done: 3, unit: 'items' }, note: 'etc' }, at(10)),
    'Copying: 3 (etc)',
  );
  assert.equal(
    lineOf({ title: 'Copying', startedAt, amount: { done: 0, total: 5, unit: 'items' } }, at(10)),
    'Copying: 0 of 5',
  );
});

test('durations', () => {
  assert.deepEqual([0.04, 9.9, 12.4, 59.6, 185].map(formatDuration), [
    '0.0 s',
    '9.9 s',
    '12 s',
    '1 min 0 s',
    '3 min 5 s',
  ]);
});
