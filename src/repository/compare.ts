import type { PackageLock } from '../release/build/packages.ts';

/** A package that differs between two releases. */
export interface PackageChange {
  readonly name: string;
  /** Undefined: it is new. */
  readonly from: string | undefined;
  /** Undefined: it is gone. */
  readonly to: string | undefined;
}

/** The packages that are shipped in other versions, or in one of the releases only; by name. */
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
  /** Bytes; undefined: it is not there. */
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** What is known of a file of an image: its size, and the content's digest or link. */
export type FileList = ReadonlyMap<string, { readonly size: number; readonly content: string }>;

/** The files whose content differs; by path. */
export function compareFiles(older: FileList, newer: FileList): FileChange[] {
  return [...new Set([...older.keys(), ...newer.keys()])].sort().flatMap((path): FileChange[] => {
    const [from, to] = [older.get(path), newer.get(path)];
    if (from?.content === to?.content) return [];
    const kind = from === undefined ? 'added' : to === undefined ? 'removed' : 'changed';
    return [{ path, kind, from: from?.size, to: to?.size }];
  });
}

/** Compares versions number by number: `13.10.20270101` is newer than `13.9.20270301`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let at = 0; at < Math.max(left?.length ?? 0, right?.length ?? 0); at += 1) {
    const difference = (left?.[at] ?? 0) - (right?.[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
