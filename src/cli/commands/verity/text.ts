import type * as z from 'zod';
import type { Verity } from '../../../disk/layout.ts';
import { type MachineStatus, machineStatus } from '../../../lifecycle/status.ts';
import type { Context } from '../../framework/command.ts';
import type { verityOutput } from '../../output/security.ts';

/** Prints the running and the configured state. */
export async function printVerity(
  { machine, output }: Pick<Context<z.input<typeof verityOutput>>, 'machine' | 'output'>,
  changed: boolean,
): Promise<void> {
  const status = await machineStatus(machine);
  const { verity: configured } = status;
  output.result(
    { machine: machine.name, configured, active: runningVerity(status) ?? null, changed },
    verityText(status),
  );
}

/** Returns the running state; undefined while the guest does not answer. */
function runningVerity({ guest }: MachineStatus): Verity | undefined {
  return guest && (guest.verity === 'off' ? 'off' : 'on');
}

const meanings = {
  on: 'on: every block of the root is verified',
  off: 'OFF: the root is not verified',
} as const;

/** Returns the running state and, where it differs, the configured one. */
function verityText(status: MachineStatus): string {
  const { name, verity, state } = status;
  const runs = runningVerity(status);
  if (runs === verity) return `${name}: verity is ${meanings[verity]}`;
  if (runs === undefined) return `${name} is ${state}: at its next start verity is ${meanings[verity]}`;
  return `${name}: verity is ${meanings[runs]}\nafter the next restart it is ${meanings[verity]}; run \`holdfast restart\` to apply that now`;
}
