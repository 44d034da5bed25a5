/** How a start of a machine ended that ended by itself. */
export interface EndedStart {
  /** Whether the channel answered. */
  readonly answered: boolean;
  /** Whether the kernel gave up, or the watchdog on the guest. */
  readonly crashed: boolean;
  /** Milliseconds. */
  readonly lasted: number;
}

/** A guest that has run for so long has come up, whatever ends it then: milliseconds. */
const cameUpAfter = 600_000;

/** How long to wait before the next start, by how many failed in a row: milliseconds. There is none after the last. */
const pauses: readonly number[] = [0, 1_000, 5_000];

/** How many starts in a row have failed now that one more has ended. Those whose guest asked for a reboot have not. */
export function failedStarts(before: number, { answered, crashed, lasted }: EndedStart): number {
  const failed = !answered || (crashed && lasted < cameUpAfter);
  return failed ? before + 1 : 0;
}

/** How long to wait before the next start, in milliseconds; undefined: it is not worth another. */
export function pauseAfter(failed: number): number | undefined {
  return pauses[failed];
}
