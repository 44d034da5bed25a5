import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GuestCommand } from '../../../src/channel/guest.ts';
import { guestThrough } from '../../../src/channel/run.ts';

test('a guest that never confirms a command is left at the time limit, and hung up if it does so later', async () => {
  const confirmed = Promise.withResolvers<GuestCommand>();
  const guest = guestThrough(() => confirmed.promise);
  await assert.rejects(guest.run(['true'], { timeoutMs: 20 }), { code: 'guest.timeout' });
  const hungUp = Promise.withResolvers<void>();
  confirmed.resolve({ hangUp: hungUp.resolve } as unknown as GuestCommand);
  await hungUp.promise;
});

test('an interruption ends a command that was never confirmed', async () => {
  const guest = guestThrough(() => new Promise(() => {}));
  const interruption = new AbortController();
  const run = guest.run(['true'], { signal: interruption.signal });
  interruption.abort(new Error('interrupted'));
  await assert.rejects(run, /interrupted/);
});
