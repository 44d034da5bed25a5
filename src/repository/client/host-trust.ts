import { join } from 'node:path';
import { type StoreDirectories, trustedCertificate } from '../../release/store.ts';
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
 * Returns the certificate and root metadata that this host trusts.
 * @param directories of HOLDFAST_HOME, which is `directory`.
 */
export function hostTrust(directories: StoreDirectories & { readonly directory: string }): RepositoryTrust {
  return {
    certificate: trustedCertificate(directories),
    firstRoot: trustedRootPath(repositoryKeys(directories)),
    metadata: join(directories.directory, 'repository'),
  };
}
