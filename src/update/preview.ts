import type { Phase } from '../firmware/slots.ts';
import { checkEpoch } from '../release/epoch.ts';
import type { LikelyFetch } from '../repository/client/strategies.ts';
import type { PackageChange } from '../repository/compare.ts';
import { withCandidate } from './candidate.ts';
import { currentRelease, packageChanges } from './check.ts';
import type { UpdateContext } from './context.ts';
import { findConflicts, type OverlayConflict } from './overlay-conflicts.ts';

/** The effects that an update would have. */
export interface UpdatePreview {
  /** Version of the running release, or of the last installed one of a machine that is off. */
  readonly running: string;
  /** Version of the wanted release. */
  readonly version: string;
  /** Whether the wanted release runs already. */
  readonly isThere: boolean;
  readonly phase: Phase;
  /** How it would be fetched; undefined when `from` is its directory. */
  readonly fetch: LikelyFetch | undefined;
  readonly packages: readonly PackageChange[];
  /** Undefined when the machine is off: only the running guest knows its changes. */
  readonly conflicts: readonly OverlayConflict[] | undefined;
}

/**
 * Returns what an update would do, without doing it. Of a repository, only metadata and small files are fetched.
 * @throws HoldfastError `release.epoch`; those of `currentRelease`, `withCandidate` and `findConflicts`.
 */
export async function previewUpdate(update: UpdateContext, from: string): Promise<UpdatePreview> {
  const { current, isOff, phase } = await currentRelease(update);
  return withCandidate(update, from, async (candidate) => {
    const { version } = candidate.manifest;
    checkEpoch(candidate.manifest, (await update.machine.configuration()).epoch, 'machine');
    return {
      running: current.manifest.version,
      version,
      phase,
      isThere: !isOff && candidate.digest === current.digest,
      fetch: candidate.fetch,
      packages: await packageChanges(update.machine, current, candidate),
      conflicts: isOff ? undefined : await findConflicts(update, await candidate.part('overlays')),
    };
  });
}
