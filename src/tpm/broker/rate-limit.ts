/** A limit: a burst, and an average per second. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

const microsecondsPerSecond = 1_000_000;

/**
 * Passes a burst, then an average rate. It counts in whole microseconds, which floating-point numbers add exactly: the wait that
 * it states is enough.
 */
export class RateLimit {
  readonly #interval: number;
  /** How far `#next` may be ahead of the present. */
  readonly #slack: number;
  readonly #now: () => number;
  /** When the next token would come if none had been saved up. */
  #next = Number.NEGATIVE_INFINITY;

  /** @param now a clock in milliseconds. */
  constructor({ burst, perSecond }: Rate, now: () => number = performance.now.bind(performance)) {
    this.#interval = Math.ceil(microsecondsPerSecond / perSecond);
    this.#slack = (burst - 1) * this.#interval;
    this.#now = now;
  }

  /** Takes a token if there is one. @returns 0, or the milliseconds to wait before the next attempt. */
  take(): number {
    const time = Math.floor(this.#now() * 1000);
    const next = Math.max(this.#next, time);
    const wait = next - time - this.#slack;
    if (wait > 0) return Math.ceil(wait / 1000);
    this.#next = next + this.#interval;
    return 0;
  }
}
