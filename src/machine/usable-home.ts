import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, isSystemError, misuse } from '../base/errors.ts';

/** File systems of the kernel, which keep no files (statfs(2)): procfs, sysfs, cgroup2. */
const kernelFileSystems: ReadonlySet<number> = new Set([0x9fa0, 0x62656572, 0x63677270]);

/**
 * Checks that HOLDFAST_HOME is a directory, or that it can be created. Before anything is done: a command would otherwise
 * report the error of its first step. A home that exists may be read-only, which `list` and `status` accept.
 * @throws HoldfastError `home.unusable` (exit code 2).
 */
export async function requireUsableHome(directory: string): Promise<void> {
  // QEMU and swtpm take paths in lists with commas, and swtpm cannot quote one; a line break would end a line of a unit file
  if (/[,\p{Cc}]/u.test(directory)) throw unusable(directory, 'its path has a comma or a control character');
  let existing = directory;
  for (;;) {
    try {
      const found = await stat(existing);
      if (!found.isDirectory()) throw unusable(directory, `${existing} is not a directory`);
      break;
    } catch (error) {
      const isAbsent = isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR');
      if (!isAbsent) throw asUnusable(directory, error);
      existing = dirname(existing);
    }
  }
  if (kernelFileSystems.has((await statfs(existing)).type))
    throw unusable(directory, `${existing} is in a file system of the kernel, which keeps no files`);
  const needed = existing === directory ? constants.R_OK | constants.X_OK : constants.W_OK | constants.X_OK;
  await access(existing, needed).catch((error: unknown) => {
    throw asUnusable(directory, error);
  });
}

function asUnusable(directory: string, error: unknown): unknown {
  const isKnown = error instanceof Error && 'errno' in error;
  return isKnown ? unusable(directory, describe(error)) : error;
}

function unusable(directory: string, why: string) {
  return misuse('home.unusable', `cannot use ${directory} as HOLDFAST_HOME`, {
    why,
    next: 'set HOLDFAST_HOME to a directory on a disk that you can write',
  });
}
