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

test('drops the release of the inactive slot, which is about to be written', () => {
  assert.deepEqual(keptOnTheWay([one, two], { release: release(two), isTrial: false }, three), [two, three]);
});

test('keeps both releases when the wanted one runs already', () => {
  assert.deepEqual(keptOnTheWay([one, two], { release: release(two), isTrial: false }, two), [one, two]);
  assert.deepEqual(keptOnTheWay([one, two], { release: release(two), isTrial: true }, two), [one, two]);
});

test('keeps the committed release and drops that of an abandoned trial', () => {
  assert.deepEqual(keptOnTheWay([one, two], { release: release(two), isTrial: true }, three), [one, three]);
});

test('drops nothing for a machine that is off', () => {
  assert.deepEqual(keptOnTheWay([one, two], { release: undefined, isTrial: false }, three), [
    one,
    two,
    three,
  ]);
});
