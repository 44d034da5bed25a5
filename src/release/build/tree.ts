import { createHash, type Hash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** All paths below a folder, relative to it, each folder before what it holds, in an order that never changes. */
export async function treePaths(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

/** Feeds a digest with all that a tree holds: names, kinds, the executable bit and content. */
export async function digestTree(digest: Hash, folder: string): Promise<void> {
  for (const path of await treePaths(folder)) {
    const entry = await lstat(join(folder, path));
    digest.update(`${path}\0${entry.mode & 0o170111}\0`);
    if (entry.isSymbolicLink()) digest.update(await readlink(join(folder, path)));
    else if (entry.isFile()) digest.update(await readFile(join(folder, path)));
    digest.update('\0');
  }
}

/** The SHA-256 of several things that decide an output, in lower-case hex. */
export async function digestInputs(texts: readonly string[], folders: readonly string[]): Promise<string> {
  const digest = createHash('sha256');
  for (const text of texts) digest.update(`${text}\0`);
  for (const folder of folders) await digestTree(digest, folder);
  return digest.digest('hex');
}
