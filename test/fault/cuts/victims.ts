import { setTimeout as sleep } from 'node:timers/promises';
import type { MachinePaths } from '../../../src/machine/paths.ts';
import { processesOfAll } from '../../support/processes.ts';
import type { House } from './house.ts';

/** The target of an interruption. */
export type Victim = 'command' | 'supervisor' | 'QEMU' | 'all' | 'disk';

/** A target listed twice is hit twice as often. */
export const victims: readonly Victim[] = ['command', 'supervisor', 'QEMU', 'all', 'all', 'disk'];

/** Time for which a disk stays full, in milliseconds. */
const fullFor = 15_000;

/** Interrupts. Resolves when the processes have ended, or the disk has free space again. */
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
    argv.some((word) => /\/supervisor\/main\.[jt]s$/.test(word)) && argv.at(-1) === name;
  const isMachine = (argv: readonly string[]) => argv.some((word) => word.includes(run));
  const found = await processesOfAll(
    (argv) => (victim !== 'QEMU' && isSupervisor(argv)) || (victim !== 'supervisor' && isMachine(argv)),
  );
  // all at once, the command first, so that none can repair the effect on the others
  const hit = victim === 'command' ? [] : found.map(({ pid }) => pid);
  for (const pid of victim === 'command' || victim === 'all' ? [command, ...hit] : hit) end(pid);
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended already
  }
}
