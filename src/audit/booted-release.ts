import { failure } from '../base/errors.ts';
import type { HostFactTypes } from './host-facts.ts';

/**
 * Returns the release with a root hash.
 * @throws HoldfastError `audit.fact` when the machine has no such release.
 */
export function bootedRelease(
  releases: HostFactTypes['releases'],
  rootHash: string,
): HostFactTypes['releases'][number] {
  const found = releases.find(({ manifest }) => manifest.root.rootHash === rootHash);
  if (found) return found;
  throw failure('audit.fact', 'cannot compare the machine with its release', {
    why: `no release of this machine has the root hash ${rootHash}`,
  });
}
