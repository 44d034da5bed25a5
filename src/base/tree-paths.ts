import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Returns all paths below a directory, relative to it, in a stable order with each directory before its content. Node's own
 * recursive `readdir` follows links, also out of the directory: in a root they can lead to the host.
 */
export async function treePaths(directory: string): Promise<string[]> {
  return walk(directory, () => true);
}

/** Returns the paths of all regular files below a directory, as `treePaths` does. */
export async function treeFiles(directory: string): Promise<string[]> {
  return walk(directory, (entry) => entry.isFile());
}

async function walk(directory: string, isWanted: (entry: Dirent) => boolean): Promise<string[]> {
  const paths: string[] = [];
  const pending = [''];
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    for (const entry of await readdir(join(directory, parent), { withFileTypes: true })) {
      const path = join(parent, entry.name);
      if (isWanted(entry)) paths.push(path);
      if (entry.isDirectory()) pending.push(path);
    }
  }
  return paths.sort();
}
