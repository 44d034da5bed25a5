import * as z from 'zod';
import type { Guest } from '../channel/guest.ts';

/** State of a booted guest by systemctl(1); `degraded`: a service failed. */
const bootStates = z.enum(['running', 'degraded']);
export type BootState = z.infer<typeof bootStates>;

/**
 * Waits until the guest has started all services; its channel answers long before.
 * @returns undefined when the guest has just started or is shutting down: call again.
 * @throws those of `Guest.run`.
 */
export async function waitForBoot(guest: Guest, timeoutMs: number): Promise<BootState | undefined> {
  const command = ['systemctl', 'is-system-running', '--wait'];
  const { stdout } = await guest.run(command, { timeoutMs, accept: [0, 1] });
  return bootStates.safeParse(stdout.toString().trim()).data;
}
