import { failure } from '../base/errors.ts';
import { type Phase, phaseOf } from '../firmware/slots.ts';
import type { Machine } from '../machine/machine.ts';
import { type StoredRelease, storedPart } from '../release/store.ts';
import { comparePackages, compareVersions, type PackageChange } from '../repository/compare.ts';
import { type Candidate, withCandidate } from './candidate.ts';
import type { UpdateContext } from './context.ts';
import { keptReleases, runningRelease } from './kept-releases.ts';
import { observeSlots } from './observe.ts';

/** The release that a repository offers for a machine. */
export interface UpdateCheck {
  /** Version of the running release; of a machine that is off, of the last installed one. */
  readonly running: string;
  /** Days since the newest source package of the running release. */
  readonly ageDays: number;
  readonly offered: string;
  readonly isNewer: boolean;
  readonly packages: readonly PackageChange[];
}

/**
 * Compares the running release with another, or with the newest of a repository, of which only metadata is fetched.
 * @param from a URL, a directory or a bundle.
 * @throws HoldfastError those of `currentRelease` and `withCandidate`.
 */
export async function checkForUpdate(update: UpdateContext, from: string): Promise<UpdateCheck> {
  const { current } = await currentRelease(update);
  return withCandidate(update, from, async (candidate) => {
    const { version, sourceDateEpoch } = current.manifest;
    const offered = candidate.manifest.version;
    return {
      running: version,
      ageDays: Math.max(0, Math.floor((Date.now() / 1000 - sourceDateEpoch) / 86_400)),
      offered,
      isNewer: candidate.digest !== current.digest && compareVersions(offered, version) >= 0,
      packages: await packageChanges(update.machine, current, candidate),
    };
  });
}

/**
 * Returns the running release; of a machine that is off, the last installed one.
 * @throws HoldfastError `update.unknown` when this host does not know it.
 */
export async function currentRelease(
  update: UpdateContext,
): Promise<{ readonly current: StoredRelease; readonly isOff: boolean; readonly phase: Phase }> {
  const seen = await observeSlots(update);
  const { machine } = update;
  const phase = phaseOf(seen);
  const isOff = seen.running === undefined;
  const current = isOff ? (await keptReleases(machine)).at(-1) : await runningRelease(machine, seen);
  if (current) return { current, isOff, phase };
  throw failure('update.unknown', 'this host does not know the running release', {
    next: 'run `holdfast update status`',
  });
}

/** Returns the packages that differ between two releases. */
export async function packageChanges(
  { home }: Machine,
  current: StoredRelease,
  candidate: Candidate,
): Promise<PackageChange[]> {
  return comparePackages(await storedPart(home, current, 'packages'), await candidate.part('packages'));
}
