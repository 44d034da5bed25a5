import { createHash, type Hash } from 'node:crypto';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { treePaths } from '../base/tree-paths.ts';

/** Adds the content of a tree to a digest: names, kinds, executable bits and data. */
export async function digestTree(digest: Hash, directory: string): Promise<void> {
  for (const path of await treePaths(directory)) {
    const entry = await lstat(join(directory, path));
    digest.update(`${path}\0${entry.mode & 0o170111}\0`);
    if (entry.isSymbolicLink()) digest.update(await readlink(join(directory, path)));
    else if (entry.isFile()) digest.update(await readFile(join(directory, path)));
    digest.update('\0');
  }
}

/** Returns the SHA-256 of the inputs of a build, in lower-case hex. */
export async function digestInputs(
  texts: readonly string[],
  directories: readonly string[],
): Promise<string> {
  const digest = createHash('sha256');
  for (const text of texts) digest.update(`${text}\0`);
  for (const directory of directories) await digestTree(digest, directory);
  return digest.digest('hex');
}
