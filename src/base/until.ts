import { setTimeout as sleep } from 'node:timers/promises';

export interface Deadline {
  /** Time limit in milliseconds of real time, including the time of the questions. Infinity: none. */
  readonly within: number;
  /** The pause after each question in milliseconds, or a function of the number of questions so far. */
  readonly every: number | ((asked: number) => number);
  /** Aborts the wait. A question in progress is not interrupted: see `unlessAborted`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks until there is an answer: `undefined` and `false` are none. Asks at least once.
 * @param ask gets the milliseconds that are left.
 * @returns undefined when the deadline passed without an answer.
 * @throws the signal's reason, and what `ask` throws.
 */
export async function until<Answer>(
  { within, every, signal }: Deadline,
  ask: (left: number) => Answer | undefined | false | Promise<Answer | undefined | false>,
): Promise<Answer | undefined> {
  const end = performance.now() + within;
  for (let asked = 1; ; asked++) {
    signal?.throwIfAborted();
    const answer = await ask(Math.max(0, end - performance.now()));
    if (answer !== undefined && answer !== false) return answer;
    const left = end - performance.now();
    if (left <= 0) return undefined;
    await pause(Math.min(typeof every === 'number' ? every : every(asked), left), signal);
  }
}

async function pause(duration: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(duration, undefined, { signal });
  } catch (error) {
    signal?.throwIfAborted(); // the reason itself, not an AbortError around it
    throw error;
  }
}
