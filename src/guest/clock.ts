import { failure } from '../base/errors.ts';
import type { Guest } from '../channel/guest.ts';

/** How much the guest's clock may differ from the host's: milliseconds. */
export const tolerance = 200;

/** Maximum number of readings until one is precise enough. */
const readings = 3;

/** A reading of the guest's clock, in milliseconds since 1970; `before` and `after` are times of the host's clock. */
export interface Reading {
  readonly before: number;
  readonly after: number;
  readonly guest: number;
}

/**
 * Returns the offset of the guest's clock and a verdict. The guest read its clock between `before` and `after`, so the uncertainty
 * is half the round trip. `unclear`: the offset may or may not be within the tolerance.
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

/** Returns whether the host slept or its clock was set between two instants: its two clocks diverged. */
export function hasJumped(earlier: Instant, later: Instant): boolean {
  return Math.abs(later.wall - earlier.wall - (later.monotonic - earlier.monotonic)) > tolerance;
}

/** The bounds of the time between two checks: milliseconds. */
const shortestWait = 5_000;
export const longestWait = 60_000;

/**
 * Returns when to check again, so that the clock stays within the tolerance at its present drift. The clock of an emulated guest
 * drifts because it measures the speed of its processor during boot, when the host is busy.
 * @param gained how much the guest's clock gained since the last check, `elapsed` milliseconds ago: milliseconds.
 */
export function nextCheck(gained: number, elapsed: number): number {
  const wanted = (tolerance * elapsed) / Math.abs(gained);
  return Math.min(Math.max(wanted, shortestWait), longestWait);
}

/** The result of a check: the offset in milliseconds, and whether the clock was corrected. */
export interface ClockCheck {
  readonly offset: number;
  readonly corrected: boolean;
}

/**
 * Reads the guest's clock and corrects it if it is certainly outside the tolerance. Takes one command if it is not.
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
  // a relative change: the command may take seconds on a busy host
  const change = `${offset < 0 ? '+' : '-'}${(Math.abs(offset) / 1000).toFixed(3)} seconds`;
  await guest.run(['date', '--utc', `--set=${change}`], { timeoutMs: 30_000 });
  return { offset, corrected: true };
}

async function read(guest: Guest, now: () => number): Promise<Reading> {
  const before = now();
  const { stdout } = await guest.run(['date', '+%s.%N'], { timeoutMs: 30_000 });
  const after = now();
  const match = /^(\d{1,12})\.(\d{3})\d{6}\n$/.exec(stdout.toString('latin1'));
  if (!match)
    throw failure('guest.output', "cannot read the guest's clock", { why: 'unexpected output of date' });
  return { before, after, guest: Number(match[1]) * 1000 + Number(match[2]) };
}
