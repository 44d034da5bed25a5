import { failure } from '../base/errors.ts';
import { runToEnd } from '../channel/run.ts';
import type { Session } from '../channel/session.ts';
import type { HomeLayout, MachineName } from '../machine/paths.ts';
import { overlays } from '../release/overlay-content.ts';
import { startIn } from '../supervisor/guest.ts';
import { compareLayers, type Drift, hiddenBy } from './drift.ts';
import { listOverlays } from './drift-listing.ts';
import { requestReset } from './drift-reset.ts';
import { isWithin, type OverlayPath, showPath } from './overlay-path.ts';

/** One thing that a machine has otherwise than its release. */
export interface MachineDrift extends Drift, OverlayPath {
  /** Whether it is given back at the next start. */
  readonly pending: boolean;
}

/**
 * Compares a running machine with its release.
 * @param place what is at this path and below it; undefined: everything.
 * @throws HoldfastError `machine.off` and the like, `drift.elsewhere`, `guest.output`; the signal's reason.
 */
export async function findDrift(
  layout: HomeLayout,
  name: MachineName,
  place: OverlayPath | undefined,
  signal: AbortSignal,
): Promise<MachineDrift[]> {
  const all = await listDrift(sessionOf(layout, name), place, signal);
  return place ? all.filter(({ path }) => isWithin(path, place.path)) : all;
}

/**
 * Has a path and all below it be as in the release from the machine's next start on.
 * @param agree sees what will be lost, unless all of it was asked for before; nothing is done when it throws.
 * @returns what is given back, and whether any of it was not asked for before.
 * @throws HoldfastError `drift.hidden` when a directory above must be given back instead, and those of `findDrift` and `agree`.
 */
export async function resetDrift(
  layout: HomeLayout,
  name: MachineName,
  place: OverlayPath,
  agree: (lost: readonly MachineDrift[]) => Promise<void>,
  signal: AbortSignal,
): Promise<{ readonly drift: readonly MachineDrift[]; readonly changed: boolean }> {
  const session = sessionOf(layout, name);
  const all = await listDrift(session, place, signal);
  const above = hiddenBy(all, place.path);
  if (above !== undefined) {
    const directory = showPath({ overlay: place.overlay, path: above });
    throw failure('drift.hidden', `${showPath(place)} cannot be given back alone`, {
      why: `the machine's ${directory} hides what the release has there`,
      next: `give all of it back: holdfast drift --reset ${directory}`,
    });
  }
  const drift = all.filter(({ path }) => isWithin(path, place.path));
  const changed = drift.some(({ pending }) => !pending);
  if (changed) {
    await agree(drift);
    await requestReset(session, place);
  }
  return { drift: drift.map((each) => ({ ...each, pending: true })), changed };
}

async function listDrift(
  session: Pick<Session, 'run'>,
  place: OverlayPath | undefined,
  signal: AbortSignal,
): Promise<MachineDrift[]> {
  const listings = await listOverlays(session, place ? [place.overlay] : overlays, signal);
  return listings.flatMap(({ overlay, pending, ...layers }) =>
    compareLayers(layers).map((each) => ({
      ...each,
      overlay,
      pending: pending.some((directory) => isWithin(each.path, directory)),
    })),
  );
}

function sessionOf(layout: HomeLayout, name: MachineName): Pick<Session, 'run'> {
  const start = startIn(layout, name);
  return { run: (argv, options) => runToEnd(start, argv, options) };
}
