import { failure } from '../base/errors.ts';
import { listOverlays } from '../guest/drift-listing.ts';
import { askLayerFacts } from '../guest/layer-facts.ts';
import { type OverlayPath, rawPath, showPath } from '../guest/overlay-path.ts';
import type { ReleaseManifest } from '../release/manifest.ts';
import { type OverlayContent, overlays } from '../release/overlay-content.ts';
import { type Conflict, conflictKinds, conflictsIn, questionsOf } from './conflicts.ts';
import type { UpdateContext } from './context.ts';

/** A path that both the machine and the new release changed. */
export interface OverlayConflict extends Conflict, OverlayPath {}

/**
 * Compares the changes of a running machine with the content of a release that is not installed yet.
 * @throws HoldfastError those of `listOverlays` and `askLayerFacts`.
 */
export async function findConflicts(
  { guest, signal }: UpdateContext,
  content: OverlayContent,
): Promise<OverlayConflict[]> {
  const found: OverlayConflict[] = [];
  for (const { overlay, ...layers } of await listOverlays(guest, overlays, signal)) {
    const newer = new Map(content[overlay].map((entry) => [rawPath(entry.path), entry]));
    const contest = { ...layers, newer };
    const facts = await askLayerFacts(guest, overlay, questionsOf(contest), signal);
    found.push(...conflictsIn(contest, facts).map((conflict) => ({ overlay, ...conflict })));
  }
  return found;
}

/** How many an error names; a dry run lists all. */
const named = 12;

/** @throws HoldfastError `update.conflicts` unless there are none. */
export function requireNoConflicts(
  conflicts: readonly OverlayConflict[],
  { version }: ReleaseManifest,
): void {
  if (conflicts.length === 0) return;
  const lines = conflicts.slice(0, named).map((each) => `${showPath(each)} (${conflictKinds[each.kind]})`);
  if (conflicts.length > named) lines.push(`${conflicts.length - named} more`);
  throw failure('update.conflicts', `files of this machine hide changes of release ${version}`, {
    why: lines.join('; '),
    next: 'take those of the release with `holdfast drift --reset PATH`, or keep yours with --accept-drift; --dry-run lists all',
  });
}
