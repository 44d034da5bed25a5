import { HoldfastError, isFailure } from '../base/errors.ts';
import type { Sha256 } from '../release/manifest.ts';
import { removeUnusedReleases } from '../release/store.ts';
import { machineNames, readConfiguration } from './configuration.ts';
import type { HomeLayout } from './paths.ts';

/**
 * Removes the releases that no machine runs from. Removes none when a machine cannot say which it runs from. Needs
 * `withReleaseStore`.
 */
export async function releaseUnused(layout: HomeLayout): Promise<void> {
  const used = new Set<Sha256>();
  for (const name of await machineNames(layout)) {
    try {
      const { release, updates } = await readConfiguration(layout, name);
      for (const digest of [release, ...updates]) used.add(digest);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      if (!isFailure(error, 'machine.none')) return;
    }
  }
  await removeUnusedReleases(layout, used);
}
