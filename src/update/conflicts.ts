import { hasSameAttributes, type LayerEntry, type Layers } from '../guest/drift.ts';
import type { LayerFacts, LayerQuestion } from '../guest/layer-facts.ts';
import { isWithin, type RawPath, sortPaths, withinAny } from '../guest/overlay-path.ts';
import type { Sha256 } from '../release/manifest.ts';
import type { ReleasedEntry } from '../release/overlay-content.ts';

/*
 * Paths that both a machine and a new release changed. An overlay always shows its upper layer, which hides what the new release
 * has there. Pure.
 */

/** The kinds of conflict, as users read them. */
export const conflictKinds = {
  changed: 'changed here, and changed in the new release',
  added: 'added here, and new in the new release',
  kept: 'copied here unchanged from the old release: hides the change of the new one',
  replaced: 'another type here than in the new release, which changes it',
  deleted: 'deleted here, and new or changed in the new release',
  opaque: 'recreated here: hides new or changed content of the new release',
  removed: 'kept here, and removed from the new release',
} as const;
export type ConflictKind = keyof typeof conflictKinds;

export interface Conflict {
  readonly path: RawPath;
  readonly kind: ConflictKind;
}

/** The layers of an overlay, and the content of the new release below it. */
export interface Contest extends Layers {
  readonly newer: ReadonlyMap<RawPath, ReleasedEntry>;
  /** Reset before the new release starts: in conflict with nothing. */
  readonly pending: readonly RawPath[];
}

/** Returns the questions to the guest that `conflictsIn` needs answered: contents that may differ, directories that may hide. */
export function questionsOf(contest: Contest): LayerQuestion[] {
  const { lower, newer, opaque } = contest;
  const upper = upperAfterReset(contest);
  const mayHide = (path: RawPath) => {
    const own = upper.get(path);
    return own && (own.type !== 'directory' || opaque.has(path) || lower.get(path)?.type !== 'directory');
  };
  return [...newer].flatMap(([path, next]): LayerQuestion[] => {
    const own = upper.get(path);
    if (!own && !directoriesAbove(path).some(mayHide)) return [];
    if (next.type === 'directory')
      return own?.type === 'directory' && lower.get(path)?.type !== 'directory'
        ? [{ about: 'opaque', path }]
        : [];
    const layers = { lower: lower.get(path), upper: own };
    return (['lower', 'upper'] as const)
      .filter((about) => isAlike(layers[about], next))
      .map((about) => ({ about, path }));
  });
}

/** Returns all conflicts, each directory before its content. @param facts the answers to `questionsOf`. */
export function conflictsIn(contest: Contest, facts: LayerFacts): Conflict[] {
  const { lower, newer } = contest;
  const upper = upperAfterReset(contest);
  const isMoved = (path: RawPath) => !isSame(lower.get(path), newer.get(path), facts.lower.get(path));
  const isOpaque = (path: RawPath) => contest.opaque.has(path) || facts.opaque.has(path);
  const hidesBelow = (directory: RawPath) =>
    [...newer.keys()].some(
      (path) => path !== directory && isWithin(path, directory) && !upper.has(path) && isMoved(path),
    );

  const kindOf = (path: RawPath, own: LayerEntry): ConflictKind | undefined => {
    const [old, next] = [lower.get(path), newer.get(path)];
    if (next === undefined) {
      const stays = own.type !== 'directory' && own.type !== 'whiteout';
      return old && stays ? 'removed' : undefined;
    }
    if (own.type !== next.type) {
      if (!isMoved(path) && !hidesBelow(path)) return undefined;
      return own.type === 'whiteout' ? 'deleted' : 'replaced';
    }
    if (own.type === 'directory' && isOpaque(path) && hidesBelow(path)) return 'opaque';
    if (!isMoved(path) || isSame(own, next, facts.upper.get(path))) return undefined;
    if (old === undefined) return 'added';
    return isKept(contest, path, own, old) ? 'kept' : 'changed';
  };

  return sortPaths(upper, ([path]) => path).flatMap(([path, own]) => {
    const kind = kindOf(path, own);
    return kind === undefined ? [] : [{ path, kind }];
  });
}

function upperAfterReset({ upper, pending }: Contest): ReadonlyMap<RawPath, LayerEntry> {
  if (pending.length === 0) return upper;
  const isPending = withinAny(pending);
  return new Map([...upper].filter(([path]) => !isPending(path)));
}

function directoriesAbove(path: RawPath): RawPath[] {
  const parts = path.split('/').slice(0, -1);
  return ['' as RawPath, ...parts.map((_, index) => parts.slice(0, index + 1).join('/') as RawPath)];
}

/** @param digest of the content of `one`. */
function isSame(one: LayerEntry | undefined, next: ReleasedEntry | undefined, digest: Sha256 | undefined) {
  if (one === undefined || next === undefined) return one === next;
  if (!hasSameAttributes(one, next)) return false;
  if (next.type === 'file') return isAlike(one, next) && digest === next.sha256;
  return one.type === next.type && (next.type === 'directory' || one.target === next.target);
}

/** Returns whether two files can differ only in their content. */
function isAlike(one: LayerEntry | undefined, next: ReleasedEntry): boolean {
  return (
    one?.type === 'file' && next.type === 'file' && one.size === next.size && hasSameAttributes(one, next)
  );
}

/** Returns whether the machine has it unchanged from the running release. */
function isKept({ same }: Contest, path: RawPath, own: LayerEntry, old: LayerEntry): boolean {
  if (own.type !== old.type || !hasSameAttributes(own, old)) return false;
  return own.type === 'file' ? same.has(path) : own.target === old.target;
}
