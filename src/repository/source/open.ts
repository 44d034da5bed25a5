import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { misuse } from '../../base/errors.ts';
import { openBundle } from './bundle.ts';
import { directorySource } from './directory.ts';
import { httpSource } from './http.ts';
import { isUrl, shownSource } from './shown-source.ts';
import type { RepositorySource } from './source.ts';

/**
 * Opens the source that `--from` names: a URL, a directory, or a bundle file.
 * @throws HoldfastError `repository.source` (exit code 2), and those of `openBundle`.
 */
export async function openSource(name: string): Promise<RepositorySource> {
  if (isUrl(name)) {
    if (URL.canParse(name)) return httpSource(name);
    throw misuse('repository.source', `cannot open the repository ${shownSource(name)}`, {
      why: 'it is not a valid URL',
      next: 'write it as https://HOST/PATH; encode special characters of user and password, such as %2F for a slash',
    });
  }
  const path = resolve(name);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return directorySource(name, path);
  if (found?.isFile()) return openBundle(name, path);
  throw misuse('repository.source', `cannot open the repository ${name}`, {
    why: 'it is neither a URL nor an existing file or directory',
    next: 'name a URL (http or https), a directory, or a bundle',
  });
}

/**
 * Returns the name of a source in a form that can be stored: a URL or an absolute path. Throws as
 * `openSource` does.
 */
export async function sourcePath(name: string): Promise<string> {
  await (await openSource(name)).close();
  return isUrl(name) ? name : resolve(name);
}
