import { readdir } from 'node:fs/promises';
import { isSystemError } from '../base/errors.ts';
import { type Home, isMachineName, type MachineName } from './paths.ts';

/** Returns the names of all deployed machines, sorted. Drafts of deployments are left out: their names are not valid. */
export async function machineNames(home: Home): Promise<MachineName[]> {
  const entries = await readdir(home.machines, { withFileTypes: true }).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .filter(isMachineName)
    .sort();
}
