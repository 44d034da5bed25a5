import { failure } from '../base/errors.ts';
import type { ReleaseManifest } from './manifest.ts';

/**
 * The epoch of new releases. Raise it when older releases must never run again, for example because of a vulnerability that is
 * exploited. Hosts that have a release of the new epoch, and machines that committed one, then reject releases of an older
 * epoch, even if they are signed.
 */
export const epoch = 1;

/**
 * @param reached the latest epoch of a release that the host has, or that the machine committed.
 * @throws HoldfastError `release.epoch` when `manifest` has an earlier epoch.
 */
export function checkEpoch(manifest: ReleaseManifest, reached: number, where: 'host' | 'machine'): void {
  if (manifest.epoch >= reached) return;
  throw failure('release.epoch', `release ${manifest.version} must not run on this ${where} again`, {
    why: `its epoch is ${manifest.epoch}; this ${where} has had a release of epoch ${reached}`,
    next: 'use a newer release',
  });
}
