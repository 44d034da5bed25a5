import { readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hostArchitecture } from '../base/architecture.ts';
import { isSystemError } from '../base/errors.ts';
import { run } from '../base/process.ts';
import { treePaths } from '../base/tree-paths.ts';
import { ports } from './ports.ts';
import { removedModules, removedPaths, takenOut } from './recipe.ts';

/** Removes modules by the recipe and decompresses the others. @param directory that of one kernel, with `kernel/` in it. */
export async function prepareModules(directory: string): Promise<void> {
  for (const path of removedModules)
    await rm(join(directory, 'kernel', path), { recursive: true, force: true });
  // xz takes long to decompress at boot; the root file system compresses them again
  const compressed = (await treePaths(directory)).filter((path) => path.endsWith('.ko.xz'));
  await run('xz', ['--decompress', '--threads=0', ...compressed.map((path) => join(directory, path))]);
}

/** Removes the files of packages and the paths that the recipe names. */
export async function stripRoot(root: string): Promise<void> {
  await takeOutPackages(root);
  for (const path of removedPaths) await rm(join(root, path), { recursive: true, force: true });
}

/** Removes the files of the packages in `takenOut`, by dpkg's own lists. */
async function takeOutPackages(root: string): Promise<void> {
  const info = join(root, 'var/lib/dpkg/info');
  for (const name of takenOut) {
    const list = await Promise.any(
      [`${name}.list`, `${name}:${ports[hostArchitecture.name].architecture}.list`].map((file) =>
        readFile(join(info, file), 'utf8'),
      ),
    ).catch(() => ''); // not in this suite, or not installed
    const paths = list.split('\n').filter((path) => path.lastIndexOf('/') > 0);
    // deepest first; shared directories stay, and so do links such as /bin and /lib
    for (const path of paths.sort().reverse()) await removeOwned(join(root, path));
  }
}

async function removeOwned(path: string): Promise<void> {
  try {
    await rm(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return;
    await rmdir(path).catch(() => {}); // not empty, or a link to a directory
  }
}
