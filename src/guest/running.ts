import * as z from 'zod';
import { describe, failure } from '../base/errors.ts';
import type { Guest } from '../channel/guest.ts';
import { rootHash } from '../verity/root-hash.ts';

/** The active slot, written by the initrd, and the signed command line with the root hash, from the kernel. */
const files = ['/run/holdfast/slot', '/proc/cmdline'];

const running = z
  .string()
  .regex(/^[AB]\n[^\n]{1,4096}\n?$/)
  .transform((text) => ({ slot: text[0], rootHash: / holdfast\.root=(\S+)/.exec(text)?.[1] }))
  .pipe(z.strictObject({ slot: z.enum(['A', 'B']), rootHash }));

export type RunningSlot = z.output<typeof running>;

/**
 * Returns the active slot and its root hash, with one unprivileged program: a whole report takes an emulated guest seconds.
 * @throws HoldfastError `guest.output`, and those of `Guest.run`.
 */
export async function askRunning(guest: Guest, timeoutMs = 30_000): Promise<RunningSlot> {
  const { stdout } = await guest.run(['cat', ...files], { timeoutMs });
  const parsed = running.safeParse(stdout.toString('latin1'));
  if (parsed.success) return parsed.data;
  throw failure('guest.output', 'cannot read the slot that the guest reports', {
    why: describe(parsed.error),
  });
}
