/** The outcome of a start that ended by itself. */
export interface EndedStart {
  /** Whether the channel answered. */
  readonly answered: boolean;
  /** Whether the kernel panicked, or the watchdog reset the guest. */
  readonly crashed: boolean;
  /** Milliseconds. */
  readonly lasted: number;
}

/** A guest that ran for this long has come up, whatever ends it then: milliseconds. */
const cameUpAfter = 600_000;

/**
 * The pause before the next start, by the number of failed starts in a row: milliseconds. There is no start
 * after the last.
 */
const pauses: readonly number[] = [0, 1_000, 5_000];

/** Returns how many starts in a row have failed now that one more has ended. A reboot that the guest asked for is no failure. */
export function failedStarts(before: number, { answered, crashed, lasted }: EndedStart): number {
  const failed = !answered || (crashed && lasted < cameUpAfter);
  return failed ? before + 1 : 0;
}

/** Returns the pause before the next start in milliseconds; undefined: no other start. */
export function pauseAfter(failed: number): number | undefined {
  return pauses[failed];
}
