import { resolve } from 'node:path';
import type { Home } from '../../../../machine/paths.ts';
import { repositoryKeys } from '../../../../repository/client/host-trust.ts';
import { trustedRootPath } from '../../../../repository/root-metadata.ts';
import { anyText, setting } from '../../../framework/parameters.ts';

export const offlineFlag = setting(
  'DIR',
  'Directory of the root keys (default: with the other keys in HOLDFAST_HOME)',
  anyText,
);

/** Returns the directories of the keys, and the path of the root metadata for other hosts. */
export function keyDirectories(home: Home, offline: string | undefined) {
  const directory = repositoryKeys(home);
  return {
    keys: { directory, rootKeys: offline === undefined ? directory : resolve(offline) },
    trusted: trustedRootPath(directory),
  };
}
