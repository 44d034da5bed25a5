import { z } from 'zod';
import type { Guest } from '../channel/guest.ts';

/** What systemctl(1) says of a guest that has started all it should; `degraded`: something of it failed. */
const bootStates = z.enum(['running', 'degraded']);
export type BootState = z.infer<typeof bootStates>;

/**
 * Waits until the guest has started all it should: its channel answers long before.
 * @returns undefined when it cannot tell, because it has just begun or is shutting down: ask again.
 * @throws those of `Guest.run`.
 */
export async function waitForBoot(guest: Guest, timeoutMs: number): Promise<BootState | undefined> {
  const command = ['sudo', '-n', 'systemctl', 'is-system-running', '--wait'];
  const { stdout } = await guest.run(command, { timeoutMs, accept: [0, 1] });
  return bootStates.safeParse(stdout.toString().trim()).data;
}
