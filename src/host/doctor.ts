import { describe } from '../base/errors.ts';
import type { HostCheck, HostFinding } from '../base/host-check.ts';

export type CheckResult = HostFinding & { readonly name: string };

/** Runs all checks at once; the results are in the order of the checks. A check that fails is a finding too. */
export function examineHost(checks: readonly HostCheck[]): Promise<readonly CheckResult[]> {
  return Promise.all(
    checks.map(async ({ name, examine }): Promise<CheckResult> => {
      try {
        return { name, ...(await examine()) };
      } catch (error) {
        return { name, verdict: 'missing', found: `the check failed: ${describe(error)}` };
      }
    }),
  );
}
