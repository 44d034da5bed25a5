import assert from 'node:assert/strict';
import { until } from '../../src/base/until.ts';

interface Patience {
  /** Milliseconds, as `every`. */
  readonly within?: number;
  readonly every?: number;
  /** The condition, for the message. */
  readonly what?: string | (() => string);
}

/** Waits until a condition holds. @throws AssertionError when it does not in time. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  { within = 5000, every = 10, what = 'the condition' }: Patience = {},
): Promise<void> {
  if (await until({ within, every }, condition)) return;
  assert.fail(`not within ${within} ms: ${typeof what === 'string' ? what : what()}`);
}
