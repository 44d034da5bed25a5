import { byPath, isWithin, type RawPath } from './overlay-path.ts';

export type EntryType = 'file' | 'directory' | 'link' | 'device' | 'pipe' | 'socket' | 'whiteout';

interface Attributes {
  /** The permission bits. */
  readonly mode: number;
  readonly user: number;
  readonly group: number;
}

/** One thing in a layer. */
export interface LayerEntry extends Attributes {
  readonly type: EntryType;
  /** Bytes. */
  readonly size: number;
  /** Where a link leads, one character a byte; otherwise empty. */
  readonly target: string;
}

/** What an overlay consists of. */
export interface Layers {
  /** What the release has. */
  readonly lower: ReadonlyMap<RawPath, LayerEntry>;
  /** What the machine has of its own. */
  readonly upper: ReadonlyMap<RawPath, LayerEntry>;
  /** Files that are in both and have the same content. */
  readonly same: ReadonlySet<RawPath>;
  /** Directories of the upper that hide all that the release has in them. */
  readonly opaque: ReadonlySet<RawPath>;
}

/**
 * What became of one thing:
 * - `added`: the release has nothing of that name.
 * - `changed`: another content, or a link that leads elsewhere.
 * - `attributes`: only mode or owner differ.
 * - `replaced`: it is something else, such as a directory instead of a file.
 * - `deleted`: it is gone; what a later release has there is hidden too.
 * - `opaque`: a directory was deleted and made again: what the release has in it is hidden.
 * - `copied`: as in the release, but kept: it hides what a later release has there.
 */
export type Change = 'added' | 'changed' | 'attributes' | 'replaced' | 'deleted' | 'opaque' | 'copied';

/** One thing that a machine has otherwise than its release. */
export interface Drift {
  readonly path: RawPath;
  readonly change: Change;
  /** What the release has there. */
  readonly released: LayerEntry | undefined;
  /** What the machine has there; undefined when it was deleted. */
  readonly now: LayerEntry | undefined;
  /** How much of the release's is hidden because the directory is `opaque`. */
  readonly hidden: number;
}

/** All that differs, each directory ahead of what is in it. Pure. */
export function compareLayers(layers: Layers): Drift[] {
  const { lower, upper } = layers;
  return [...upper]
    .toSorted(([one], [other]) => byPath(one, other))
    .flatMap(([path, entry]) => {
      const released = lower.get(path);
      const change = changeOf(path, entry, released, layers);
      if (change === undefined) return [];
      const hidden = change === 'opaque' ? hiddenBelow(path, layers) : 0;
      return [{ path, change, released, now: entry.type === 'whiteout' ? undefined : entry, hidden }];
    });
}

/** Undefined for a directory of both: it is there because something in it differs, or once did. */
function changeOf(
  path: RawPath,
  entry: LayerEntry,
  released: LayerEntry | undefined,
  { same, opaque }: Layers,
): Change | undefined {
  if (entry.type === 'whiteout') return 'deleted';
  if (released === undefined) return 'added';
  if (entry.type !== released.type) return 'replaced';
  if (opaque.has(path)) return 'opaque';
  if (entry.type === 'file' ? !same.has(path) : entry.target !== released.target) return 'changed';
  if (!hasSameAttributes(entry, released)) return 'attributes';
  return entry.type === 'directory' ? undefined : 'copied';
}

/** Mode and owner. */
export function hasSameAttributes(one: Attributes, other: Attributes): boolean {
  return one.mode === other.mode && one.user === other.user && one.group === other.group;
}

function hiddenBelow(directory: RawPath, { lower, upper }: Layers): number {
  return [...lower.keys()].filter(
    (path) => path !== directory && isWithin(path, directory) && !upper.has(path),
  ).length;
}

/**
 * The directory above a path that must be given back first, because it hides what the release has at the path: it was
 * deleted, is something else, or was made again.
 */
export function hiddenBy(drift: readonly Drift[], path: RawPath): RawPath | undefined {
  if (drift.some((each) => each.path === path && each.change === 'added')) return undefined;
  const above = drift.find(
    ({ path: directory, change, released }) =>
      directory !== path &&
      isWithin(path, directory) &&
      released?.type === 'directory' &&
      ['opaque', 'replaced', 'deleted'].includes(change),
  );
  return above?.path;
}
