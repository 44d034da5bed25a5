import { failure } from '../base/errors.ts';
import type { ReleaseManifest } from './manifest.ts';

/**
 * The epoch of releases that are built now. Raise it when older releases must never run again, such as for a hole that is
 * known to be used: hosts that have a release of the new epoch then take none of an older one, whoever signed it.
 */
export const epoch = 1;

/**
 * @param known the releases that a host has, or ran.
 * @throws HoldfastError `release.epoch` when one of them is of a later epoch than `manifest`.
 */
export function checkEpoch(manifest: ReleaseManifest, known: readonly ReleaseManifest[]): void {
  const newest = known.reduce((highest, each) => Math.max(highest, each.epoch), 0);
  if (manifest.epoch >= newest) return;
  throw failure('release.epoch', `release ${manifest.version} must not run on this host again`, {
    why: `it is of epoch ${manifest.epoch}, and this host has had a release of epoch ${newest}`,
    next: 'take a newer release',
  });
}
