import { setTimeout as sleep } from 'node:timers/promises';

export interface Deadline {
  /** How long to go on asking: milliseconds of real time, that of the questions included. Infinity: without end. */
  readonly within: number;
  /** The pause after a question, or the one after so many of them: milliseconds. */
  readonly every: number | ((asked: number) => number);
  /** Ends the waiting. A question that is under way is not interrupted: see `unlessAborted`. */
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
