import type { Session } from '../channel/session.ts';
import { type ClockCheck, hasJumped, type Instant, synchronizeClock } from './clock.ts';

/** The guest's clock is read so often: milliseconds. Cheap enough for an emulated guest. */
const checkEvery = 60_000;

/** The host's clocks are compared so often: milliseconds. Costs the guest nothing. */
const watchEvery = 2_000;

export interface ClockEvents {
  checked(check: ClockCheck): void;
  failed(error: unknown): void;
}

/**
 * Keeps the guest's clock with the host's until the session ends: checks now, every minute, and at once after the host
 * slept or its clock was set.
 */
export function keepClock(session: Session, events: ClockEvents, instant: () => Instant = hostInstant): void {
  let checkedAt = Number.NEGATIVE_INFINITY;
  let seen = instant();
  let busy = false;
  const watch = async () => {
    const now = instant();
    const due = hasJumped(seen, now) || now.monotonic - checkedAt >= checkEvery;
    seen = now;
    if (!due) return;
    if (busy) {
      checkedAt = Number.NEGATIVE_INFINITY; // the check under way may have read before the jump: check again
      return;
    }
    busy = true;
    checkedAt = now.monotonic;
    try {
      events.checked(await synchronizeClock(session, () => instant().wall));
    } catch (error) {
      events.failed(error);
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(watch, watchEvery);
  void session.ended.finally(() => clearInterval(timer));
  void watch();
}

function hostInstant(): Instant {
  return { wall: Date.now(), monotonic: performance.now() };
}
