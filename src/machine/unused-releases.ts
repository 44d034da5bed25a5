import { HoldfastError, isFailure } from '../base/errors.ts';
import type { Sha256 } from '../release/manifest.ts';
import { removeUnusedReleases } from '../release/store.ts';
import { machineNames } from './list.ts';
import { Machine } from './machine.ts';
import type { Home } from './paths.ts';

/**
 * Removes the releases that no machine uses; none when a configuration cannot be read, as it may name any. Needs
 * `withReleaseStore`.
 */
export async function releaseUnused(home: Home): Promise<void> {
  const used = new Set<Sha256>();
  for (const name of await machineNames(home)) {
    try {
      const { release, updates } = await new Machine(home, name).configuration();
      for (const digest of [release, ...updates]) used.add(digest);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      if (!isFailure(error, 'machine.none')) return;
    }
  }
  await removeUnusedReleases(home, used);
}
