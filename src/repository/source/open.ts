import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { misuse } from '../../base/errors.ts';
import { openBundle } from './bundle.ts';
import { directorySource } from './directory.ts';
import { httpSource } from './http.ts';
import type { Source } from './source.ts';

/**
 * Opens what `--from` names: a URL, a directory, or the file that `release bundle` made.
 * @throws HoldfastError `repository.source` (exit code 2), and those of `openBundle`.
 */
export async function openSource(name: string): Promise<Source> {
  if (isUrl(name) && URL.canParse(name)) return httpSource(name);
  const path = resolve(name);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return directorySource(name, path);
  if (found?.isFile()) return openBundle(name, path);
  throw misuse('repository.source', `${name} is no repository`, {
    why: 'nothing is there',
    next: 'name a URL (http or https), a directory, or a bundle',
  });
}

/** What names a source, as it can be kept: a URL, or an absolute path. Throws as `openSource` does. */
export async function sourcePath(name: string): Promise<string> {
  await (await openSource(name)).close();
  return isUrl(name) ? name : resolve(name);
}

function isUrl(name: string): boolean {
  return /^https?:\/\//.test(name);
}
