import type { Phase } from '../firmware/slots.ts';
import { checkEpoch } from '../release/epoch.ts';
import type { LikelyFetch } from '../repository/client/strategies.ts';
import type { PackageChange } from '../repository/compare.ts';
import { withCandidate } from './candidate.ts';
import { currentRelease, packageChanges } from './check.ts';
import { machineEpoch } from './epoch.ts';
import type { Machine } from './observe.ts';
import { findConflicts, type OverlayConflict } from './overlay-conflicts.ts';

/** What an update would do. */
export interface UpdatePreview {
  /** Versions: what runs, or the last that a machine that is off was given, and what is wanted. */
  readonly running: string;
  readonly version: string;
  /** Whether that very release runs already. */
  readonly isThere: boolean;
  readonly phase: Phase;
  /** How it would come; undefined when its directory was named. */
  readonly fetch: LikelyFetch | undefined;
  readonly packages: readonly PackageChange[];
  /** Undefined when the machine is off: nobody can say what it changed without starting it. */
  readonly conflicts: readonly OverlayConflict[] | undefined;
}

/**
 * Says what an update would do, and does none of it: the machine is only asked, and of a repository only what tells of the
 * release is fetched.
 * @throws HoldfastError `release.epoch`; those of `currentRelease`, `withCandidate` and `findConflicts`.
 */
export async function previewUpdate(machine: Machine, from: string): Promise<UpdatePreview> {
  const { current, isOff, phase } = await currentRelease(machine);
  return withCandidate(machine, from, async (candidate) => {
    const { version } = candidate.manifest;
    checkEpoch(candidate.manifest, await machineEpoch(machine), 'machine');
    return {
      running: current.manifest.version,
      version,
      phase,
      isThere: !isOff && candidate.digest === current.digest,
      fetch: candidate.road,
      packages: await packageChanges(machine, current, candidate),
      conflicts: isOff ? undefined : await findConflicts(machine, await candidate.part('overlays')),
    };
  });
}
