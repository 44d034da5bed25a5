import type { PackageLock } from '../release/package-lock.ts';

/** A package that differs between two releases. */
export interface PackageChange {
  readonly name: string;
  /** Undefined for an added package. */
  readonly from: string | undefined;
  /** Undefined for a removed package. */
  readonly to: string | undefined;
}

/**
 * Returns the packages whose versions differ, or that only one release contains, sorted by name.
 */
export function comparePackages(older: PackageLock, newer: PackageLock): PackageChange[] {
  const versionsOf = ({ packages }: PackageLock) =>
    new Map(packages.filter(({ takenOut }) => !takenOut).map(({ name, version }) => [name, version]));
  const [from, to] = [versionsOf(older), versionsOf(newer)];
  return [...new Set([...from.keys(), ...to.keys()])]
    .sort()
    .map((name) => ({ name, from: from.get(name), to: to.get(name) }))
    .filter((change) => change.from !== change.to);
}

/** A file that differs between two trees. */
export interface FileChange {
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Size in bytes; undefined if the file does not exist. */
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** The files of an image by path: size, and the digest of the content or the target of the link. */
export type FileList = ReadonlyMap<string, { readonly size: number; readonly content: string }>;

/** Returns the files whose content differs, sorted by path. */
export function compareFiles(older: FileList, newer: FileList): FileChange[] {
  return [...new Set([...older.keys(), ...newer.keys()])].sort().flatMap((path): FileChange[] => {
    const [from, to] = [older.get(path), newer.get(path)];
    if (from?.content === to?.content) return [];
    const kind = from === undefined ? 'added' : to === undefined ? 'removed' : 'changed';
    return [{ path, kind, from: from?.size, to: to?.size }];
  });
}

/** Compares versions component by component: `13.10.20270101` is newer than `13.9.20270301`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let at = 0; at < Math.max(left?.length ?? 0, right?.length ?? 0); at += 1) {
    const difference = (left?.[at] ?? 0) - (right?.[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
