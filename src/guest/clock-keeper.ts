import type { Session } from '../channel/session.ts';
import {
  type ClockCheck,
  hasJumped,
  type Instant,
  longestWait,
  nextCheck,
  synchronizeClock,
} from './clock.ts';

/** How often the host's clocks are compared, without cost for the guest: milliseconds. */
const watchEvery = 1_000;

export interface ClockEvents {
  checked(check: ClockCheck): void;
  failed(error: unknown): void;
}

/**
 * Keeps the guest's clock synchronized with the host's until the session ends: checks now, then every minute, more often if it
 * drifts fast, and at once after the host slept or its clock was set.
 */
export function keepClock(session: Session, events: ClockEvents, instant: () => Instant = hostInstant): void {
  let last: { readonly at: number; readonly offset: number } | undefined;
  let dueAt = Number.NEGATIVE_INFINITY;
  let seen = instant();
  let busy = false;

  const check = async (now: Instant) => {
    busy = true;
    dueAt = now.monotonic + longestWait;
    try {
      const result = await synchronizeClock(session, () => instant().wall);
      if (last) {
        const elapsed = now.monotonic - last.at;
        dueAt = Math.min(dueAt, now.monotonic + nextCheck(result.offset - last.offset, elapsed));
      }
      last = { at: now.monotonic, offset: result.corrected ? 0 : result.offset };
      events.checked(result);
    } catch (error) {
      events.failed(error);
    } finally {
      busy = false;
    }
  };
  const watch = async () => {
    const now = instant();
    if (hasJumped(seen, now)) {
      dueAt = Number.NEGATIVE_INFINITY; // also when a check is under way: it may have read before the jump
      last = undefined; // the time that the guest lost while the host slept is not the drift of its clock
    }
    seen = now;
    if (!busy && now.monotonic >= dueAt) await check(now);
  };
  const timer = setInterval(watch, watchEvery);
  void session.ended.finally(() => clearInterval(timer));
  void watch();
}

function hostInstant(): Instant {
  return { wall: Date.now(), monotonic: performance.now() };
}
