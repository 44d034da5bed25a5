import * as z from 'zod';
import { describe, failure } from '../base/errors.ts';
import type { Guest } from '../channel/guest.ts';
import { rootScript } from './root-script.ts';

/** How the guest's kernel enforces the integrity policy; `off`: there is none, because its root is not verified. */
export type RunningIpe = 'audit' | 'enforce' | 'off';

/** Kernel documentation, admin-guide/LSM/ipe: the nodes in securityfs. At most one policy is active. */
const script =
  'cd /sys/kernel/security/ipe && head -c 1 enforce && cat policies/*/active 2>/dev/null; exit 0';

/** `enforce`, then `active` of the policy. */
const answers = new Map<string, RunningIpe>([
  ['0', 'off'],
  ['1', 'off'],
  ['00', 'off'],
  ['10', 'off'],
  ['01', 'audit'],
  ['11', 'enforce'],
]);

const answer = z.string().transform((text, context) => {
  const mode = answers.get(text.trim());
  if (mode !== undefined) return mode;
  context.addIssue({ code: 'custom', message: `unexpected ${JSON.stringify(text.slice(0, 80))}` });
  return z.NEVER;
});

/** Reads the mode of the guest's kernel. @throws HoldfastError `guest.output`, and those of `Guest.run`. */
export async function readIpe(guest: Guest, timeoutMs = 20_000): Promise<RunningIpe> {
  const { stdout } = await guest.run([...rootScript, 'sh', '-c', script], { timeoutMs });
  return parseIpe(stdout.toString('utf8'));
}

/** Parses the content of the kernel's two nodes. @throws HoldfastError `guest.output`. */
export function parseIpe(text: string): RunningIpe {
  const parsed = answer.safeParse(text);
  if (parsed.success) return parsed.data;
  throw failure('guest.output', 'cannot read the integrity policy that the guest reports', {
    why: describe(parsed.error),
  });
}
