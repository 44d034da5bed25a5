import { failure } from '../base/errors.ts';
import type { Guest } from '../channel/guest.ts';
import { overlays } from '../release/overlay-content.ts';
import { compareLayers, type Drift, hiddenBy } from './drift.ts';
import { listOverlays } from './drift-listing.ts';
import { requestReset } from './drift-reset.ts';
import { isWithin, type OverlayPath, showPath, withinAny } from './overlay-path.ts';

/** One difference between a machine and its release. */
export interface MachineDrift extends Drift, OverlayPath {
  /** Whether the next start resets it. */
  readonly pending: boolean;
}

/**
 * Compares a running machine with its release.
 * @param place limits the comparison to this path and everything below it.
 * @throws HoldfastError `drift.elsewhere`, `drift.large`, `guest.output`, those of `Guest.run`; the signal's reason.
 */
export async function findDrift(
  guest: Guest,
  place: OverlayPath | undefined,
  signal: AbortSignal,
): Promise<MachineDrift[]> {
  const all = await listDrift(guest, place, signal);
  return place ? all.filter(({ path }) => isWithin(path, place.path)) : all;
}

/**
 * Resets a path and everything below it to the release, at the machine's next start.
 * @param agree is shown what will be lost, unless all of it is pending already; nothing is done when it throws.
 * @returns what will be reset, and whether any of it was not pending before.
 * @throws HoldfastError `drift.hidden` when a directory above must be reset instead, and those of `findDrift` and `agree`.
 */
export async function resetDrift(
  guest: Guest,
  place: OverlayPath,
  agree: (lost: readonly MachineDrift[]) => Promise<void>,
  signal: AbortSignal,
): Promise<{ readonly drift: readonly MachineDrift[]; readonly changed: boolean }> {
  const all = await listDrift(guest, place, signal);
  const above = hiddenBy(all, place.path);
  if (above !== undefined) {
    const directory = showPath({ overlay: place.overlay, path: above });
    throw failure('drift.hidden', `cannot reset ${showPath(place)} alone`, {
      why: `${directory} of the machine hides what the release has there`,
      next: `reset all of it: holdfast drift --reset ${directory}`,
    });
  }
  const drift = all.filter(({ path }) => isWithin(path, place.path));
  const changed = drift.some(({ pending }) => !pending);
  if (changed) {
    await agree(drift);
    await requestReset(guest, place);
  }
  return { drift: drift.map((each) => ({ ...each, pending: true })), changed };
}

async function listDrift(
  guest: Guest,
  place: OverlayPath | undefined,
  signal: AbortSignal,
): Promise<MachineDrift[]> {
  const listings = await listOverlays(guest, place ? [place.overlay] : overlays, signal);
  return listings.flatMap(({ overlay, pending, ...layers }) => {
    const isPending = withinAny(pending);
    return compareLayers(layers).map((each) => ({ ...each, overlay, pending: isPending(each.path) }));
  });
}
