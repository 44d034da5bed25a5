import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../base/errors.ts';

/*
 * Why a machine's supervisor had to end, for those who ask when it is gone: one line beside the sockets that it left. It goes
 * with them.
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

/** A machine that is started has not failed. */
export async function forgetFailure(run: string): Promise<void> {
  await rm(notePath(run), { force: true });
}

function notePath(run: string): string {
  return join(run, 'failure');
}
