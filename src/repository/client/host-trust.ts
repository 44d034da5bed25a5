import { join } from 'node:path';
import { isFailure } from '../../base/errors.ts';
import {
  type StoreDirectories,
  storedDigests,
  storedManifest,
  trustedCertificate,
} from '../../release/store.ts';
import { trustedRootPath } from '../root-metadata.ts';
import type { RepositoryTrust } from './offer.ts';

/**
 * Returns HOLDFAST_HOME/keys/repository: the keys of a publisher, and the root metadata that this
 * host trusts initially.
 */
export function repositoryKeys(directories: StoreDirectories): string {
  return join(directories.keys, 'repository');
}

/**
 * Returns what this host trusts: certificate, root metadata, and the time at which its newest
 * release was built.
 * @param directories of HOLDFAST_HOME, which is `directory`.
 */
export async function hostTrust(
  directories: StoreDirectories & { readonly directory: string },
): Promise<RepositoryTrust> {
  const times = (await storedDigests(directories)).map(async (digest) => {
    const manifest = await storedManifest(directories, digest).catch(ignoreDamage);
    return manifest?.sourceDateEpoch ?? 0;
  });
  return {
    knownTime: Math.max(0, ...(await Promise.all(times))),
    certificate: trustedCertificate(directories),
    firstRoot: trustedRootPath(repositoryKeys(directories)),
    metadata: join(directories.directory, 'repository'),
  };
}

/** A damaged release is reported where it is used. */
function ignoreDamage(error: unknown): undefined {
  if (!isFailure(error, 'release.damaged')) throw error;
}
