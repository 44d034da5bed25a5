import { failure } from '../base/errors.ts';
import { storedPackages } from '../release/store.ts';
import { comparePackages, compareVersions, type PackageChange } from '../repository/compare.ts';
import { hostTrust } from '../repository/home.ts';
import { offeredPackages, readOffer } from '../repository/offer.ts';
import { openSource } from '../repository/open-source.ts';
import { keptReleases } from './kept-releases.ts';
import { type Machine, observeSlots } from './observe.ts';

/** What a repository has for a machine. */
export interface UpdateCheck {
  /** The release that runs; of a machine that is off, the last that it was given. */
  readonly running: string;
  /** Days since the newest package source that it was built from. */
  readonly ageDays: number;
  readonly offered: string;
  readonly isNewer: boolean;
  /** Undefined when this host does not know which packages run. */
  readonly packages: readonly PackageChange[] | undefined;
}

/**
 * Compares what a machine runs with the newest release of a repository; nothing of it is fetched but what tells of it.
 * @param from a URL, a folder or a bundle.
 * @throws HoldfastError `update.unknown` when this host does not know the release that runs; those of `openSource` and
 *   `readOffer`.
 */
export async function checkForUpdate(machine: Machine, from: string): Promise<UpdateCheck> {
  const { layout, progress, signal } = machine;
  const kept = await keptReleases(machine);
  const { rootHash } = await observeSlots(machine);
  const current =
    rootHash === undefined ? kept.at(-1) : kept.find(({ manifest }) => manifest.root.rootHash === rootHash);
  if (!current) {
    throw failure('update.unknown', 'this host does not know the release that runs', {
      next: 'run `holdfast update status`',
    });
  }
  const source = await openSource(from);
  try {
    const trust = hostTrust(layout);
    const offer = await progress.step('Asking the repository', () => readOffer(source, trust, signal));
    const { version, sourceDateEpoch } = current.manifest;
    const packages = await storedPackages(layout, current.digest);
    return {
      running: version,
      ageDays: Math.max(0, Math.floor((Date.now() / 1000 - sourceDateEpoch) / 86_400)),
      offered: offer.manifest.version,
      isNewer: offer.digest !== current.digest && compareVersions(offer.manifest.version, version) >= 0,
      packages: packages && comparePackages(packages, await offeredPackages(offer)),
    };
  } finally {
    await source.close();
  }
}
