import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isSystemError } from '../../src/base/errors.ts';
import { generatedFiles } from './generated-files.ts';

/** Writes every generated file that is stale. */
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
