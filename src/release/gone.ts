import { failure, type HoldfastError } from '../base/errors.ts';
import type { Sha256 } from './manifest.ts';

/**
 * The error of a machine whose release is no longer in the store: its disk has only what differs from the release's base image.
 * @param digest of the release that it was deployed from.
 * @param path the missing base image.
 */
export function releaseGone(machine: string, digest: Sha256, path: string): HoldfastError {
  return failure('release.gone', `the release that '${machine}' stands on is gone from the store`, {
    why: `${path} does not exist; the SHA-256 of the release's release.json is ${digest}`,
    next: 'bring that release back with `holdfast release import DIR`: its directory from `holdfast build`, or a repository or bundle that has it',
  });
}
