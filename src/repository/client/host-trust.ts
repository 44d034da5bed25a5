import { join } from 'node:path';
import { type StoreFolders, trustedCertificate } from '../../release/store.ts';
import { trustedRootPath } from '../root-metadata.ts';
import type { Trust } from './offer.ts';

/** HOLDFAST_HOME/keys/repository: a publisher's keys, and the root metadata that this host trusts first. */
export function repositoryKeys(folders: StoreFolders): string {
  return join(folders.keys, 'repository');
}

/** What this host trusts. @param home HOLDFAST_HOME. */
export function hostTrust(folders: StoreFolders & { readonly home: string }): Trust {
  return {
    certificate: trustedCertificate(folders),
    firstRoot: trustedRootPath(repositoryKeys(folders)),
    metadata: join(folders.home, 'repository'),
  };
}
