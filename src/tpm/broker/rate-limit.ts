/** A limit: a burst, and an average per second. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** A token bucket. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  /** @param now a clock in milliseconds. */
  constructor(rate: Rate, now: () => number = performance.now.bind(performance)) {
    this.#rate = rate;
    this.#now = now;
    this.#tokens = rate.burst;
    this.#filledAt = now();
  }

  /** Takes a token if there is one. @returns 0, or the milliseconds to wait before the next attempt. */
  take(): number {
    const { burst, perSecond } = this.#rate;
    const time = this.#now();
    this.#tokens = Math.min(burst, this.#tokens + ((time - this.#filledAt) / 1000) * perSecond);
    this.#filledAt = time;
    if (this.#tokens < 1) return Math.ceil(((1 - this.#tokens) / perSecond) * 1000);
    this.#tokens -= 1;
    return 0;
  }
}
