import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { type ProcessEntry, readProcess } from '../../src/base/process-table.ts';

/** Finds processes of any user by their argv; without the parents of sandboxes, whose argv ends with that of the program. */
export async function processesOfAll(matches: (argv: readonly string[]) => boolean): Promise<ProcessEntry[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const entries = await Promise.all(names.map((name) => readProcess(Number(name))));
  return entries
    .filter((entry) => entry !== undefined)
    .filter(({ argv }) => basename(argv[0] ?? '') !== 'bwrap' && matches(argv));
}
