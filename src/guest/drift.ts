import { countBefore, isWithin, pathOrder, type RawPath, sortPaths } from './overlay-path.ts';

export type EntryType = 'file' | 'directory' | 'link' | 'device' | 'pipe' | 'socket' | 'whiteout';

interface Attributes {
  /** The permission bits. */
  readonly mode: number;
  readonly user: number;
  readonly group: number;
}

/** A file, directory, link or other entry of a layer. */
export interface LayerEntry extends Attributes {
  readonly type: EntryType;
  /** Bytes. */
  readonly size: number;
  /** Target of a link, one character a byte; otherwise empty. */
  readonly target: string;
}

/** The layers of an overlay. */
export interface Layers {
  /** The content of the release. */
  readonly lower: ReadonlyMap<RawPath, LayerEntry>;
  /** The changes of the machine. */
  readonly upper: ReadonlyMap<RawPath, LayerEntry>;
  /** Files in both layers with the same content. */
  readonly same: ReadonlySet<RawPath>;
  /** Directories of the upper layer that hide the content of the release in them. */
  readonly opaque: ReadonlySet<RawPath>;
}

/**
 * The kinds of change:
 * - `added`: the release has nothing of that name
 * - `changed`: other content, or a link with another target
 * - `attributes`: only mode or owner differ
 * - `replaced`: another type, such as a directory instead of a file
 * - `deleted`: removed; the content of a later release there is hidden too
 * - `opaque`: a directory that was deleted and recreated, which hides the content of the release in it
 * - `copied`: unchanged from the release, but copied: hides the content of a later release there
 */
export type Change = 'added' | 'changed' | 'attributes' | 'replaced' | 'deleted' | 'opaque' | 'copied';

/** One difference between a machine and its release. */
export interface Drift {
  readonly path: RawPath;
  readonly change: Change;
  /** The entry of the release. */
  readonly released: LayerEntry | undefined;
  /** The entry of the machine; undefined when it was deleted. */
  readonly now: LayerEntry | undefined;
  /** Number of entries of the release that an `opaque` directory hides. */
  readonly hidden: number;
}

/** Returns all differences, each directory before its content. Pure. */
export function compareLayers(layers: Layers): Drift[] {
  const { lower, upper } = layers;
  const hiddenBelow = hiddenCounter(layers);
  const drift: Drift[] = [];
  for (const [path, entry] of sortPaths(upper, ([each]) => each)) {
    const released = lower.get(path);
    const change = changeOf(path, entry, released, layers);
    if (change === undefined) continue;
    const hidden = change === 'opaque' ? hiddenBelow(path) : 0;
    drift.push({ path, change, released, now: entry.type === 'whiteout' ? undefined : entry, hidden });
  }
  return drift;
}

/** Returns undefined for a directory of both layers: it was copied because something in it differs, or once did. */
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

/** Returns whether mode and owner are equal. */
export function hasSameAttributes(one: Attributes, other: Attributes): boolean {
  return one.mode === other.mode && one.user === other.user && one.group === other.group;
}

/** Returns a function that counts what a directory of the upper layer hides, in logarithmic time: any number can be opaque. */
function hiddenCounter({ lower, upper }: Layers): (directory: RawPath) => number {
  let hidden: { readonly order: string }[] | undefined;
  return (directory) => {
    hidden ??= sortPaths(
      [...lower.keys()].filter((path) => !upper.has(path)),
      (path) => path,
    ).map((path) => ({ order: pathOrder(path) }));
    if (directory === '') return hidden.length;
    const order = pathOrder(directory);
    // between the directory with a separator after it, and the least that sorts after all of that
    return countBefore(hidden, `${order}\x01`) - countBefore(hidden, `${order}\0`);
  };
}

/**
 * Returns the directory above a path that must be reset first because it hides the path of the release: it was deleted, replaced or
 * recreated.
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
