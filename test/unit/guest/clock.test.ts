import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { CommandResult } from '../../../src/channel/guest.ts';
import type { Session } from '../../../src/channel/session.ts';
import { hasJumped, judgeReading, nextCheck, synchronizeClock } from '../../../src/guest/clock.ts';
import { keepClock } from '../../../src/guest/clock-keeper.ts';

/** A guest whose clock is `offset` off; each command takes `trips[n]` ms. It reads its clock half-way. */
function simulate(offset: number, trips: readonly number[]) {
  let wall = 1_795_363_200_000;
  let count = 0;
  const commands: string[] = [];
  const guest = { offset };
  const end = Promise.withResolvers<void>();
  const session: Session = {
    start: () => Promise.reject(new Error('not used')),
    run: async (argv): Promise<CommandResult> => {
      const trip = trips[Math.min(count++, trips.length - 1)] ?? 0;
      commands.push(argv.join(' '));
      wall += trip / 2;
      let stdout = '';
      if (argv[1]?.startsWith('+')) {
        const time = Math.round(wall + guest.offset);
        stdout = `${Math.floor(time / 1000)}.${String(time % 1000).padStart(3, '0')}000000\n`;
      } else {
        const change = /^--set=([+-]\d+\.\d{3}) seconds$/.exec(argv.at(-1) ?? '')?.[1];
        guest.offset += Number(change) * 1000;
      }
      wall += trip / 2;
      return { code: 0, stdout: Buffer.from(stdout), stderr: '' };
    },
    ended: end.promise,
    close: async () => end.resolve(),
  };
  return { session, guest, commands, now: () => wall, sleep: (ms: number) => (wall += ms) };
}

test('an offset within the tolerance is good, beyond it off, and a slow reading is unclear', () => {
  assert.deepEqual(judgeReading({ before: 1000, after: 1100, guest: 1200 }), {
    offset: 150,
    verdict: 'good',
  });
  assert.deepEqual(judgeReading({ before: 1000, after: 1100, guest: 1301 }), { offset: 251, verdict: 'off' });
  assert.deepEqual(judgeReading({ before: 1000, after: 1100, guest: 700 }), { offset: -350, verdict: 'off' });
  assert.deepEqual(judgeReading({ before: 1000, after: 2000, guest: 1500 }), {
    offset: 0,
    verdict: 'unclear',
  });
  assert.deepEqual(judgeReading({ before: 1000, after: 2000, guest: 9000 }), {
    offset: 7500,
    verdict: 'off',
  });
});

test('a correct clock takes one command', async () => {
  const { session, commands, now } = simulate(120, [60]);
  assert.deepEqual(await synchronizeClock(session, now), { offset: 120, corrected: false });
  assert.deepEqual(commands, ['date +%s.%N']);
});

for (const offset of [-86_400_000, -300, 300, 5000])
  test(`a clock ${offset} ms off is corrected by that, independent of the duration`, async () => {
    const { session, guest, commands, now } = simulate(offset, [80, 4000]);
    assert.deepEqual(await synchronizeClock(session, now), { offset, corrected: true });
    assert.equal(commands.length, 2);
    assert.ok(Math.abs(guest.offset) < 1, `still ${guest.offset} ms off`);
  });

test('repeats a slow reading, and uses the most precise one', async () => {
  const { session, commands, now } = simulate(150, [3000, 900, 40]);
  assert.deepEqual(await synchronizeClock(session, now), { offset: 150, corrected: false });
  assert.equal(commands.length, 3);
});

for (const offset of [0, -1900])
  test(`does not set the clock of a slow guest that may be correct, ${offset} ms off`, async () => {
    const { session, commands, now } = simulate(offset, [4000]);
    assert.equal((await synchronizeClock(session, now)).corrected, false);
    assert.equal(commands.length, 3);
  });

test('sets the clock of a slow guest that is far off', async () => {
  const { session, guest, now } = simulate(-60_000, [4000]);
  assert.equal((await synchronizeClock(session, now)).corrected, true);
  assert.ok(Math.abs(guest.offset) < 1);
});

for (const answer of ['', '12:30\n', '1795363200\n', '1795363200.5\n', '-1.000000000\n', '1.000000000\n2\n'])
  test(`rejects the answer ${JSON.stringify(answer)}`, async () => {
    const { session } = simulate(0, [0]);
    const odd = { ...session, run: async () => ({ code: 0, stdout: Buffer.from(answer), stderr: '' }) };
    await assert.rejects(synchronizeClock(odd), { code: 'guest.output' });
  });

test('detects sleep and a set clock, but not passing time', () => {
  const start = { wall: 1_000_000, monotonic: 500 };
  assert.equal(hasJumped(start, { wall: 1_060_000, monotonic: 60_500 }), false);
  assert.equal(hasJumped(start, { wall: 4_600_000, monotonic: 2_500 }), true);
  assert.equal(hasJumped(start, { wall: 990_000, monotonic: 2_500 }), true);
});

test('checks a drifting clock more often, within bounds', () => {
  assert.equal(nextCheck(0, 60_000), 60_000);
  assert.equal(nextCheck(100, 60_000), 60_000);
  assert.equal(nextCheck(-1000, 60_000), 12_000);
  assert.equal(nextCheck(1000, 60_000), 12_000);
  assert.equal(nextCheck(60_000, 60_000), 5000);
});

/** A guest whose clock is checked; the test controls the time of guest and host. */
function watched(context: TestContext, drift = 0) {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const { session, guest, commands, now } = simulate(0, [0]);
  const host = { slept: 0, awake: 0 };
  const offsets: number[] = [];
  keepClock(
    session,
    { checked: ({ offset }) => offsets.push(Math.round(offset)), failed: assert.fail },
    () => ({
      wall: now() + host.slept + host.awake,
      monotonic: host.awake,
    }),
  );
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      host.awake += 1000;
      guest.offset += 1000 * (1 + drift);
      context.mock.timers.tick(1000);
      await new Promise(setImmediate);
    }
  };
  return { session, commands, host, offsets, pass };
}

test('checks the clock at once, every minute, and after the host slept', async (context) => {
  const { session, commands, host, offsets, pass } = watched(context);
  await pass(59);
  assert.deepEqual(offsets, [0]);
  await pass(1);
  assert.deepEqual(offsets, [0, 0]);
  host.slept = 3_600_000;
  await pass(1);
  assert.deepEqual(offsets, [0, 0, -3_600_000]);
  assert.match(commands.at(-1) ?? '', /^date --utc --set=\+3600\.000 seconds$/);
  await pass(60);
  assert.deepEqual(offsets, [0, 0, -3_600_000, 0], 'sleep is not taken for a clock that goes wrong');
  await session.close();
  await new Promise(setImmediate);
  const count = commands.length;
  await pass(120);
  assert.equal(commands.length, count);
});

test('keeps a clock that loses seconds every minute within the tolerance', async (context) => {
  const { offsets, pass } = watched(context, -2.2 / 60);
  await pass(600);
  assert.equal(offsets[1], -2200);
  for (const offset of offsets.slice(2)) assert.ok(Math.abs(offset) <= 240, `${offset} ms off`);
  assert.ok(offsets.length > 60 && offsets.length < 120, `${offsets.length} checks`);
});
