import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isSystemError } from '../../src/base/errors.ts';
import { generatedDirectories, generatedFiles } from './generated-files.ts';

/** Writes every generated file that is stale, and removes those of removed commands. */
const repository = resolve(import.meta.dirname, '../..');
for (const { path, make } of generatedFiles) {
  const target = join(repository, path);
  const current = await readFile(target, 'utf8').catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return '';
    throw error;
  });
  const content = await make(current);
  if (content === current) continue;
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, content);
  process.stdout.write(`Wrote ${path}\n`);
}

const paths = new Set(generatedFiles.map(({ path }) => path));
for (const directory of generatedDirectories) {
  for (const name of await readdir(join(repository, directory))) {
    const path = `${directory}/${name}`;
    if (paths.has(path)) continue;
    await rm(join(repository, path));
    process.stdout.write(`Removed ${path}\n`);
  }
}
