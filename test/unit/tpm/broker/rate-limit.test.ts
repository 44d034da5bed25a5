import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RateLimit } from '../../../../src/tpm/broker/rate-limit.ts';

test('a burst passes at once, then the rate applies', () => {
  let time = 0;
  const limit = new RateLimit({ burst: 3, perSecond: 10 }, () => time);
  assert.deepEqual(
    [1, 2, 3].map(() => limit.take()),
    [0, 0, 0],
  );
  assert.equal(limit.take(), 100);
  time = 60;
  assert.equal(limit.take(), 40);
  time = 100;
  assert.equal(limit.take(), 0);
  time = 1e6;
  assert.deepEqual(
    [1, 2, 3, 4].map(() => limit.take()),
    [0, 0, 0, 100],
    'what was not used is not saved up beyond the burst',
  );
});

test('the stated wait suffices, and burst and rate are never exceeded', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 999 }),
      fc.array(fc.nat({ max: 500 }), { maxLength: 100 }),
      (perSecond, pauses) => {
        let time = 0;
        let taken = 0;
        const limit = new RateLimit({ burst: 5, perSecond }, () => time);
        for (const pause of pauses) {
          time += pause;
          const wait = limit.take();
          if (wait > 0) {
            time += wait;
            assert.equal(limit.take(), 0);
          }
          taken += 1;
          assert.ok(taken <= 5 + (time / 1000) * perSecond + 1e-6);
        }
      },
    ),
  );
});

test('the stated wait suffices where fractions of a token are not exact', () => {
  let time = 0;
  const limit = new RateLimit({ burst: 1, perSecond: 5 }, () => time);
  limit.take();
  time = 16;
  const wait = limit.take();
  time += wait;
  assert.deepEqual([wait, limit.take()], [184, 0]);
});
