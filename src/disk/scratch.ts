import { mkdtemp, open, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/**
 * Runs `work` with a directory next to `path`, so that large files stay on the same file system,
 * and removes the directory.
 */
export async function withScratch<T>(path: string, work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(dirname(resolve(path)), '.disk-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Puts a file's content on stable storage. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
