import type * as z from 'zod';
import { switchAutostart } from '../../../lifecycle/autostart.ts';
import type { Context } from '../../framework/command.ts';
import type { autostartOutput } from '../../output/machines.ts';

/** Sets whether the machine starts with the host, and prints that. */
export async function setAutostart(
  { machine, output }: Context<z.input<typeof autostartOutput>>,
  autostart: boolean,
): Promise<void> {
  const changed = await switchAutostart(machine, autostart);
  const state = autostart ? 'starts when this host boots' : 'does not start when this host boots';
  output.result({ machine: machine.name, autostart, changed }, `${machine.name} ${state}`);
}
