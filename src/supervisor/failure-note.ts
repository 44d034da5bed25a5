import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../base/errors.ts';

/*
 * The reason why a supervisor ended with a failure, for later commands: one line in the directory of the sockets that it left,
 * removed with them.
 */

/** @param run the machine's `run` directory. */
export async function noteFailure(run: string, problem: string | undefined): Promise<void> {
  if (problem !== undefined) await writeFile(notePath(run), problem, { mode: 0o600 });
}

export async function readFailure(run: string): Promise<string | undefined> {
  try {
    return await readFile(notePath(run), 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Removes the note: the machine is started again. */
export async function forgetFailure(run: string): Promise<void> {
  await rm(notePath(run), { force: true });
}

function notePath(run: string): string {
  return join(run, 'failure');
}
