import { reasonOf } from '../base/errors.ts';

/** `missing`: machines cannot run; `warning`: they can, and something else cannot, or is slower. */
export type Verdict = 'ok' | 'warning' | 'missing';

/** What a look at the host found. */
export interface Finding {
  readonly verdict: Verdict;
  /** What is there, in one line. */
  readonly found: string;
  /** How to mend it; absent when it is well. */
  readonly mend?: string;
}

/** One thing about the host that Holdfast needs. */
export interface HostCheck {
  readonly name: string;
  examine(): Promise<Finding>;
}

export type CheckResult = Finding & { readonly name: string };

/** Looks at everything at once; the answers are in the order of the checks. A check that fails is a finding, too. */
export function examineHost(checks: readonly HostCheck[]): Promise<readonly CheckResult[]> {
  return Promise.all(
    checks.map(async ({ name, examine }): Promise<CheckResult> => {
      try {
        return { name, ...(await examine()) };
      } catch (error) {
        return { name, verdict: 'missing', found: `cannot be told: ${reasonOf(error)}` };
      }
    }),
  );
}
