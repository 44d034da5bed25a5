import { failure } from '../base/errors.ts';
import type { Guest } from '../channel/guest.ts';

/** The guest's clock may differ from the host's by so much: milliseconds. */
export const tolerance = 200;

/** So many readings at most, until one is narrow enough to tell. */
const readings = 3;

/** One reading of the guest's clock, in milliseconds since 1970; `before` and `after` by the host's clock. */
export interface Reading {
  readonly before: number;
  readonly after: number;
  readonly guest: number;
}

/**
 * How far the guest's clock is off, and what that says. The guest read its clock at some moment between `before` and
 * `after`, so the offset is known to half the round trip.
 * `unclear`: it may or may not be within the tolerance.
 */
export function judgeReading(reading: Reading): { offset: number; verdict: 'good' | 'off' | 'unclear' } {
  const uncertainty = (reading.after - reading.before) / 2;
  const offset = reading.guest - (reading.before + uncertainty);
  if (Math.abs(offset) + uncertainty <= tolerance) return { offset, verdict: 'good' };
  return { offset, verdict: Math.abs(offset) - uncertainty > tolerance ? 'off' : 'unclear' };
}

/** The host's wall clock and its monotonic clock, which stands still while the host sleeps: milliseconds. */
export interface Instant {
  readonly wall: number;
  readonly monotonic: number;
}

/** Whether the host slept, or its clock was set, between two instants: its two clocks went different ways. */
export function hasJumped(earlier: Instant, later: Instant): boolean {
  return Math.abs(later.wall - earlier.wall - (later.monotonic - earlier.monotonic)) > tolerance;
}

/** The bounds of the time between two checks: milliseconds. */
const shortestWait = 5_000;
export const longestWait = 60_000;

/**
 * When to check again, so that the clock stays within the tolerance though it goes wrong at the rate it did: an emulated
 * guest measures its processor's speed while it boots, and the busier the host, the worse.
 * @param gained how much the guest's clock has gained, or lost, since the last check, and in which time: milliseconds.
 */
export function nextCheck(gained: number, elapsed: number): number {
  const wanted = (tolerance * elapsed) / Math.abs(gained);
  return Math.min(Math.max(wanted, shortestWait), longestWait);
}

/** What became of the guest's clock: its offset before, and whether it was set. Milliseconds. */
export interface ClockCheck {
  readonly offset: number;
  readonly corrected: boolean;
}

/**
 * Reads the guest's clock and, when it is off for certain, moves it to the host's. One command when all is well.
 * @param now the host's clock, in milliseconds since 1970.
 * @throws HoldfastError `guest.output`, and those of `Guest.run`.
 */
export async function synchronizeClock(guest: Guest, now: () => number = Date.now): Promise<ClockCheck> {
  let best = await read(guest, now);
  for (let count = 1; count < readings && judgeReading(best).verdict === 'unclear'; count++) {
    const next = await read(guest, now);
    if (next.after - next.before < best.after - best.before) best = next;
  }
  const { offset, verdict } = judgeReading(best);
  if (verdict !== 'off') return { offset, corrected: false };
  // by how much, not to which time: sudo alone may take seconds to start on a busy host
  const change = `${offset < 0 ? '+' : '-'}${(Math.abs(offset) / 1000).toFixed(3)} seconds`;
  await guest.run(['sudo', '-n', 'date', '--utc', `--set=${change}`], { timeoutMs: 30_000 });
  return { offset, corrected: true };
}

async function read(guest: Guest, now: () => number): Promise<Reading> {
  const before = now();
  const { stdout } = await guest.run(['date', '+%s.%N'], { timeoutMs: 30_000 });
  const after = now();
  const match = /^(\d{1,12})\.(\d{3})\d{6}\n$/.exec(stdout.toString('latin1'));
  if (!match)
    throw failure('guest.output', "the guest's clock could not be read", { why: 'date answered oddly' });
  return { before, after, guest: Number(match[1]) * 1000 + Number(match[2]) };
}
