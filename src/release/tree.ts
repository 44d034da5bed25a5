import { createHash, type Hash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** All paths below a directory, relative to it, each directory before what it holds, in an order that never changes. */
export async function treePaths(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort();
}

/** Feeds a digest with all that a tree holds: names, kinds, the executable bit and content. */
export async function digestTree(digest: Hash, directory: string): Promise<void> {
  for (const path of await treePaths(directory)) {
    const entry = await lstat(join(directory, path));
    digest.update(`${path}\0${entry.mode & 0o170111}\0`);
    if (entry.isSymbolicLink()) digest.update(await readlink(join(directory, path)));
    else if (entry.isFile()) digest.update(await readFile(join(directory, path)));
    digest.update('\0');
  }
}

/** The SHA-256 of several things that decide an output, in lower-case hex. */
export async function digestInputs(
  texts: readonly string[],
  directories: readonly string[],
): Promise<string> {
  const digest = createHash('sha256');
  for (const text of texts) digest.update(`${text}\0`);
  for (const directory of directories) await digestTree(digest, directory);
  return digest.digest('hex');
}
