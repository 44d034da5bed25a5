import { failure } from '../base/errors.ts';
import { listOverlays } from '../guest/drift-listing.ts';
import { askLayerFacts } from '../guest/layer-facts.ts';
import { type OverlayPath, rawPath, showPath } from '../guest/overlay-path.ts';
import type { ReleaseManifest } from '../release/manifest.ts';
import { type OverlayContent, overlays } from '../release/overlay-content.ts';
import { type Conflict, conflictKinds, conflictsIn, questionsOf } from './conflicts.ts';
import { guestOf, type Machine } from './observe.ts';

/** A path that both the machine and the new release changed. */
export interface OverlayConflict extends Conflict, OverlayPath {}

/**
 * Compares what a running machine changed with what a release that is not on it yet has there.
 * @throws HoldfastError those of `listOverlays` and `askLayerFacts`.
 */
export async function findConflicts(machine: Machine, content: OverlayContent): Promise<OverlayConflict[]> {
  const session = guestOf(machine);
  const found: OverlayConflict[] = [];
  for (const { overlay, ...layers } of await listOverlays(session, overlays, machine.signal)) {
    const newer = new Map(content[overlay].map((entry) => [rawPath(entry.path), entry]));
    const contest = { ...layers, newer };
    const facts = await askLayerFacts(session, overlay, questionsOf(contest), machine.signal);
    found.push(...conflictsIn(contest, facts).map((conflict) => ({ overlay, ...conflict })));
  }
  return found;
}

/** So many are named in an error; a dry run lists all. */
const named = 12;

/** @throws HoldfastError `update.conflicts` unless there are none. */
export function refuseConflicts(conflicts: readonly OverlayConflict[], { version }: ReleaseManifest): void {
  if (conflicts.length === 0) return;
  const lines = conflicts.slice(0, named).map((each) => `${showPath(each)} (${conflictKinds[each.kind]})`);
  if (conflicts.length > named) lines.push(`${conflicts.length - named} more`);
  throw failure('update.conflicts', `this machine's own files hide what release ${version} changes`, {
    why: lines.join('; '),
    next: 'have the release’s with `holdfast drift --reset PATH`, or keep yours: add --accept-drift; --dry-run lists all',
  });
}
