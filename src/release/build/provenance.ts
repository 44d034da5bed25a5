import { join } from 'node:path';
import { failure } from '../../base/errors.ts';
import { treeFiles, treePaths } from '../../base/tree-paths.ts';
import type { InstalledPackage } from '../../distribution/distribution.ts';
import { guestDistribution } from '../distribution.ts';

/** The origin of the files of a release. */
export interface Provenance {
  /** Names of the packages that it ships a file of. */
  readonly packages: ReadonlySet<string>;
  /** Files in the root that neither a package nor `image/` contains, and that the build does not make. */
  readonly unknown: readonly string[];
}

/**
 * Finds the packages that the files of a release come from.
 * @param owned the files of each package, as absolute paths.
 * @param root relative paths of the regular files of the finished root.
 * @param taken relative paths in the installed root that were copied into boot images.
 * @param image relative paths of `image/rootfs`.
 */
export function provenanceOf(
  owned: ReadonlyMap<string, readonly string[]>,
  root: readonly string[],
  taken: readonly string[],
  image: ReadonlySet<string>,
): Provenance {
  const owners = new Map<string, Set<string>>();
  for (const [name, paths] of owned)
    for (const path of paths) owners.set(merged(path), (owners.get(merged(path)) ?? new Set()).add(name));
  const packages = new Set<string>();
  const unknown: string[] = [];
  for (const path of new Set([...root, ...taken].map(merged))) {
    const found = owners.get(path) ?? owners.get(`${path}.xz`); // modules are decompressed
    for (const name of found ?? []) packages.add(name);
    if (!found && !image.has(path) && !guestDistribution.isMade(path)) unknown.push(path);
  }
  return { packages, unknown };
}

/**
 * Returns the names of the packages that a release ships a file of.
 * @param image the project's `image/`.
 * @throws HoldfastError `release.provenance` when a file comes from neither a package, nor `image/`, nor the build.
 */
export async function shippedPackages(
  owned: ReadonlyMap<string, readonly string[]>,
  root: string,
  taken: readonly string[],
  image: string,
): Promise<ReadonlySet<string>> {
  const ours = new Set(await treePaths(join(image, 'rootfs')));
  const { packages, unknown } = provenanceOf(owned, await treeFiles(root), taken, ours);
  if (unknown.length === 0) return packages;
  throw failure('release.provenance', 'cannot name the origin of every file of the release', {
    why: `no package contains ${unknown.slice(0, 8).join(', ')}${unknown.length > 8 ? `, and ${unknown.length - 8} more` : ''}`,
    next: 'remove them in src/debian/recipe.ts, or list them there as made by the build',
  });
}

/** Marks a package whose files were taken out of the root as shipped after all when a boot image contains one of them. */
export function withShipped(entry: InstalledPackage, shipped: ReadonlySet<string>): InstalledPackage {
  return { ...entry, takenOut: entry.takenOut && !shipped.has(entry.name) };
}

/** Returns a path without the links of a merged /usr, such as /bin, and without a slash at its beginning. */
function merged(path: string): string {
  return path.replace(/^\//, '').replace(/^(?=(?:bin|sbin|lib|lib64)\/)/, 'usr/');
}
