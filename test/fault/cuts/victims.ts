import { setTimeout as sleep } from 'node:timers/promises';
import { findProcesses } from '../../../src/base/process-table.ts';
import type { MachinePaths } from '../../../src/machine/paths.ts';
import type { House } from './house.ts';

/** What a cut hits. */
export type Victim = 'command' | 'supervisor' | 'QEMU' | 'all' | 'disk';

/** Power cuts twice as often as a full disk, say, as both of a machine's processes and all together are among them. */
export const victims: readonly Victim[] = ['command', 'supervisor', 'QEMU', 'all', 'all', 'disk'];

/** How long a full disk stays so: milliseconds. */
const fullFor = 15_000;

/** Cuts. Resolves when what was hit is gone; a full disk has room again by then. */
export async function strike(
  victim: Victim,
  command: number,
  { run, directory }: MachinePaths,
  house: House,
): Promise<void> {
  if (victim === 'disk') {
    await house.fill();
    await sleep(fullFor);
    await house.makeRoom();
    return;
  }
  const name = directory.slice(directory.lastIndexOf('/') + 1);
  const isSupervisor = (argv: readonly string[]) =>
    argv.some((word) => word.endsWith('/supervisor/main.ts')) && argv.at(-1) === name;
  const isMachine = (argv: readonly string[]) => argv.some((word) => word.includes(run));
  const found = await findProcesses(
    (argv) => (victim !== 'QEMU' && isSupervisor(argv)) || (victim !== 'supervisor' && isMachine(argv)),
  );
  // all in one go, the command first: nobody is left to mend what happens to the others
  const hit = victim === 'command' ? [] : found.map(({ pid }) => pid);
  for (const pid of victim === 'command' || victim === 'all' ? [command, ...hit] : hit) end(pid);
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}
