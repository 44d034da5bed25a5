import { failure } from '../base/errors.ts';
import { type Phase, phaseOf } from '../firmware/slots.ts';
import { type StoredRelease, storedPart } from '../release/store.ts';
import { comparePackages, compareVersions, type PackageChange } from '../repository/compare.ts';
import { type Candidate, withCandidate } from './candidate.ts';
import { keptReleases, runningRelease } from './kept-releases.ts';
import { type Machine, observeSlots } from './observe.ts';

/** What a repository has for a machine. */
export interface UpdateCheck {
  /** The release that runs; of a machine that is off, the last that it was given. */
  readonly running: string;
  /** Days since the newest package source that it was built from. */
  readonly ageDays: number;
  readonly offered: string;
  readonly isNewer: boolean;
  readonly packages: readonly PackageChange[];
}

/**
 * Compares what a machine runs with a release, or the newest of a repository; nothing of it is fetched but what tells of it.
 * @param from a URL, a directory or a bundle.
 * @throws HoldfastError those of `currentRelease` and `withCandidate`.
 */
export async function checkForUpdate(machine: Machine, from: string): Promise<UpdateCheck> {
  const { current } = await currentRelease(machine);
  return withCandidate(machine, from, async (candidate) => {
    const { version, sourceDateEpoch } = current.manifest;
    const offered = candidate.manifest.version;
    return {
      running: version,
      ageDays: Math.max(0, Math.floor((Date.now() / 1000 - sourceDateEpoch) / 86_400)),
      offered,
      isNewer: candidate.digest !== current.digest && compareVersions(offered, version) >= 0,
      packages: await packageChanges(machine, current, candidate),
    };
  });
}

/**
 * The release that runs; of a machine that is off, the last that it was given.
 * @throws HoldfastError `update.unknown` when this host does not know it.
 */
export async function currentRelease(
  machine: Machine,
): Promise<{ readonly current: StoredRelease; readonly isOff: boolean; readonly phase: Phase }> {
  const seen = await observeSlots(machine);
  const phase = phaseOf(seen);
  const isOff = seen.running === undefined;
  const current = isOff ? (await keptReleases(machine)).at(-1) : await runningRelease(machine, seen);
  if (current) return { current, isOff, phase };
  throw failure('update.unknown', 'this host does not know the release that runs', {
    next: 'run `holdfast update status`',
  });
}

/** The packages that differ from one release to another. */
export async function packageChanges(
  { layout }: Machine,
  current: StoredRelease,
  candidate: Candidate,
): Promise<PackageChange[]> {
  return comparePackages(await storedPart(layout, current, 'packages'), await candidate.part('packages'));
}
