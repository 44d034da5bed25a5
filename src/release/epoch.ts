import { failure } from '../base/errors.ts';
import type { ReleaseManifest } from './manifest.ts';

/**
 * The epoch of releases that are built now. Raise it when older releases must never run again, such as for a hole that is
 * known to be used: hosts that have a release of the new epoch, and machines that committed one, then take none of an older one,
 * whoever signed it.
 */
export const epoch = 1;

/**
 * @param reached the latest epoch of a release that the host has, or that the machine committed.
 * @throws HoldfastError `release.epoch` when `manifest` is of an earlier one.
 */
export function checkEpoch(manifest: ReleaseManifest, reached: number, where: 'host' | 'machine'): void {
  if (manifest.epoch >= reached) return;
  throw failure('release.epoch', `release ${manifest.version} must not run on this ${where} again`, {
    why: `it is of epoch ${manifest.epoch}, and this ${where} has had a release of epoch ${reached}`,
    next: 'take a newer release',
  });
}
