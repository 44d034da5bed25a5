import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sha256 } from '../../../src/release/manifest.ts';
import type { StoredRelease } from '../../../src/release/store.ts';
import { keptOnTheWay } from '../../../src/update/kept-releases.ts';

const [one, two, three] = ['1', '2', '3'].map((digit) => digit.repeat(64) as Sha256) as [
  Sha256,
  Sha256,
  Sha256,
];

/** Only its digest counts here. */
const release = (digest: Sha256): StoredRelease => ({ digest }) as StoredRelease;

test('the slot that does not run is about to be written: what it holds goes', () => {
  assert.deepEqual(keptOnTheWay([one, two], { release: release(two), isTrial: false }, three), [two, three]);
});

test('who wants what runs already keeps the way back', () => {
  assert.deepEqual(keptOnTheWay([one, two], { release: release(two), isTrial: false }, two), [one, two]);
  assert.deepEqual(keptOnTheWay([one, two], { release: release(two), isTrial: true }, two), [one, two]);
});

test('a trial of another release is left: what it ran goes, and the committed one stays', () => {
  assert.deepEqual(keptOnTheWay([one, two], { release: release(two), isTrial: true }, three), [one, three]);
});

test('what a machine that is off may hold is not known: nothing goes', () => {
  assert.deepEqual(keptOnTheWay([one, two], { release: undefined, isTrial: false }, three), [
    one,
    two,
    three,
  ]);
});
