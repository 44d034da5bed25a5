import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GuestCommand } from '../../../src/channel/guest.ts';
import type { Session } from '../../../src/channel/session.ts';
import { CommandSessions } from '../../../src/supervisor/command-sessions.ts';

/** As `MaxSessions` of the image. */
const maximum = 64;

/** Sessions that refuse a command beyond the maximum, as sshd does. */
function sessions() {
  const running: number[] = [];
  const ends: (() => void)[] = [];
  const drops: (() => void)[] = [];
  const open = async (): Promise<Session> => {
    const index = running.push(0) - 1;
    const gone = Promise.withResolvers<void>();
    drops.push(gone.resolve);
    return {
      start: async () => {
        if ((running[index] ?? 0) >= maximum) throw new Error('open failed');
        running[index] = (running[index] ?? 0) + 1;
        const ended = Promise.withResolvers<{ code: number }>();
        ends.push(() => {
          running[index] = (running[index] ?? 0) - 1;
          ended.resolve({ code: 0 });
        });
        return { ended: ended.promise } as GuestCommand;
      },
      run: () => Promise.reject(new Error('not used')),
      ended: gone.promise,
      close: async () => gone.resolve(),
    };
  };
  return { open, running, ends, drops };
}

test('many commands at once get connections of their own, and leave room on the first', async () => {
  const { open, running, ends } = sessions();
  const first = await open();
  const start = new CommandSessions(open).from(first);
  await Promise.all(Array.from({ length: 130 }, () => start(['true'])));
  assert.deepEqual(running, [48, 48, 34]);
  await first.start(['poweroff']);
  for (const end of ends) end();
  await new Promise(setImmediate);
  await Promise.all(Array.from({ length: 70 }, () => start(['true'])));
  assert.equal(running.length, 3, 'connections are used again');
});

test('more commands than all connections carry are told so, until some have ended', async () => {
  const { open, ends } = sessions();
  const start = new CommandSessions(open).from(await open());
  await Promise.all(Array.from({ length: 384 }, () => start(['true'])));
  await assert.rejects(start(['true']), { code: 'channel.busy' });
  ends[0]?.();
  await new Promise(setImmediate);
  await start(['true']);
});

test('a connection that was lost or could not be opened is opened again', async () => {
  const { open, running, drops } = sessions();
  let isRefused = true;
  const commands = new CommandSessions(() => (isRefused ? Promise.reject(new Error('refused')) : open()));
  const start = commands.from(await open());
  await Promise.all(Array.from({ length: 48 }, () => start(['true'])));
  await assert.rejects(start(['true']), /refused/);
  isRefused = false;
  await start(['true']);
  drops[1]?.();
  await new Promise(setImmediate);
  await start(['true']);
  assert.deepEqual(running, [48, 1, 1]);
  await commands.close();
});
