import { join } from 'node:path';
import { type StoreDirectories, trustedCertificate } from '../../release/store.ts';
import { trustedRootPath } from '../root-metadata.ts';
import type { Trust } from './offer.ts';

/** HOLDFAST_HOME/keys/repository: a publisher's keys, and the root metadata that this host trusts first. */
export function repositoryKeys(directories: StoreDirectories): string {
  return join(directories.keys, 'repository');
}

/** What this host trusts. @param home HOLDFAST_HOME. */
export function hostTrust(directories: StoreDirectories & { readonly home: string }): Trust {
  return {
    certificate: trustedCertificate(directories),
    firstRoot: trustedRootPath(repositoryKeys(directories)),
    metadata: join(directories.home, 'repository'),
  };
}
