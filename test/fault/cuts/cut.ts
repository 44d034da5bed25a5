import { once } from 'node:events';
import { watch } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { start } from '../../../src/base/process.ts';
import type { MachinePaths } from '../../../src/machine/paths.ts';
import { program } from '../../support/vm/machine.ts';
import type { House } from './house.ts';
import type { Moment } from './moments.ts';
import { strike, type Victim } from './victims.ts';

export interface Cut {
  readonly moment: Moment;
  readonly victim: Victim;
  /** Position within the moment, in its milliseconds or writes. */
  readonly depth: number;
}

/** Time limit for a command whose machine was hit, in milliseconds. */
const patience = 240_000;

/**
 * Runs a command and interrupts it at the moment.
 * @returns undefined when the command had ended before; otherwise its output, and its exit code if it had one.
 */
export async function runAndCut(
  words: readonly string[],
  { moment, victim, depth }: Cut,
  files: MachinePaths,
  house: House,
): Promise<{ readonly said: string; readonly code: number | null } | undefined> {
  const child = start(program, words, {
    env: { ...process.env, HOLDFAST_HOME: house.home, HOLDFAST_PROGRESS: 'plain' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said: string[] = [];
  const { promise: due, resolve: strikeNow } = Promise.withResolvers<'due'>();
  let began = moment.after === undefined;
  let writes = 0;
  const begin = () => {
    began = true;
    if ('milliseconds' in moment.within) setTimeout(strikeNow, depth, 'due').unref();
  };
  if (began) begin();
  // watches the directory, as the file is replaced between two starts
  const watcher = watch(files.directory, (_event, name) => {
    if (!began || name !== basename(files.variables)) return;
    writes += 1;
    if ('writes' in moment.within && writes >= depth) strikeNow('due');
  });
  if (child.stderr === null) throw new TypeError('the command has no standard error');
  createInterface(child.stderr).on('line', (line) => {
    said.push(line);
    if (began && moment.until?.test(line)) strikeNow('due');
    if (!began && moment.after?.test(line)) begin();
  });
  const ended = once(child, 'close').then(() => 'ended' as const);
  const first = await Promise.race([due, ended]);
  watcher.close();
  if (first === 'ended') return undefined;
  if (child.pid !== undefined) await strike(victim, child.pid, files, house);
  const timer = setTimeout(() => child.kill('SIGKILL'), patience);
  await ended;
  clearTimeout(timer);
  await sleep(500); // time for the guest to pass the change on to its firmware
  return { said: said.join('\n'), code: child.exitCode };
}
