import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Returns the files and directories of each installed package by dpkg's own lists: `NAME.list` or `NAME:ARCHITECTURE.list`. */
export async function packageFiles(root: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const info = join(root, 'var/lib/dpkg/info');
  const lists = (await readdir(info)).filter((name) => name.endsWith('.list'));
  return new Map(
    await Promise.all(
      lists.map(async (list) => {
        const text = await readFile(join(info, list), 'utf8');
        return [list.replace(/(?::[a-z0-9]+)?\.list$/, ''), text.trimEnd().split('\n')] as const;
      }),
    ),
  );
}
