import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

/**
 * Returns the directories to search for programs: PATH, then `sbin`. Debian leaves `sbin` out of
 * the PATH of normal users, but mkfs.ext4 and others there work on plain files without root.
 */
export function searchPath(environment: NodeJS.ProcessEnv = process.env): string {
  const directories = (environment.PATH ?? '/usr/bin:/bin').split(delimiter).filter(isAbsolute);
  return [...new Set([...directories, '/usr/sbin', '/sbin'])].join(delimiter);
}

/**
 * Returns the path at which `run` and `start` of process.ts find a program, or undefined when it is
 * not installed.
 */
export async function findProgram(name: string): Promise<string | undefined> {
  const candidates = isAbsolute(name)
    ? [name]
    : searchPath()
        .split(delimiter)
        .map((directory) => join(directory, name));
  for (const path of candidates) if (await isProgram(path)) return path;
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
