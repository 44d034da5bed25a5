import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Session } from '../../../src/channel/session.ts';
import { connectOnDemand } from '../../../src/supervisor/guest-connection.ts';

/** A session whose end the test decides. */
function session(): Session & { end(): void } {
  const ended = Promise.withResolvers<void>();
  return {
    start: () => Promise.reject(new Error('not used')),
    run: () => Promise.reject(new Error('not used')),
    ended: ended.promise,
    close: async () => ended.resolve(),
    end: ended.resolve,
  };
}

test('a session is opened when it is needed, shared, and opened again when it has ended', async () => {
  const opened: ReturnType<typeof session>[] = [];
  const connection = connectOnDemand(async () => {
    opened.push(session());
    return opened.at(-1) ?? session();
  });
  assert.equal(opened.length, 0);
  const both = await Promise.all([connection.session(), connection.session()]);
  assert.equal(both[0], both[1]);
  assert.equal(opened.length, 1);
  opened[0]?.end();
  await new Promise(setImmediate);
  assert.notEqual(await connection.session(), both[0]);
  assert.equal(opened.length, 2);
});

test('an attempt that failed is no obstacle to the next one', async () => {
  let isBroken = true;
  const good = session();
  const connection = connectOnDemand(async () => {
    if (isBroken) throw new Error('broken');
    return good;
  });
  await assert.rejects(connection.session(), /broken/);
  isBroken = false;
  assert.equal(await connection.session(), good);
});

test('a closed connection ends its session and opens no other', async () => {
  const only = session();
  const connection = connectOnDemand(async () => only);
  await connection.session();
  await connection.close();
  await only.ended;
  await assert.rejects(connection.session(), { code: 'supervisor.absent' });
});
