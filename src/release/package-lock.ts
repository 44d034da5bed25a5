import * as z from 'zod';
import { failure } from '../base/errors.ts';
import type { InstalledPackage } from '../distribution/distribution.ts';
import { guestDistribution } from './distribution.ts';

/** `packages.json`: together with the recipe it determines the content of a root. */
export const packageLock = z.strictObject({
  format: z.literal(1),
  suite: z.string(),
  /** The time stamp of all content, in seconds since 1970: the date of the newest suite at the first build. */
  sourceDateEpoch: z.int().positive(),
  /** Which build of its day it was: a part of the version. Absent for the first. */
  build: z.int().positive().optional(),
  packages: z.array(guestDistribution.packageSchema),
});
export type PackageLock = z.infer<typeof packageLock>;

/**
 * @throws HoldfastError `release.lock` with the packages whose versions the mirror no longer has.
 */
export function checkAgainstLock(installed: readonly InstalledPackage[], lock: PackageLock): void {
  const locked = new Map(lock.packages.map(({ name, version }) => [name, version]));
  const wrong = installed.filter(({ name, version }) => locked.get(name) !== version);
  const names = new Set(installed.map(({ name }) => name));
  const missing = lock.packages.filter(({ name }) => !names.has(name));
  if (wrong.length + missing.length === 0) return;
  const list = [...wrong, ...missing].map(({ name }) => `${name} ${locked.get(name) ?? '(not locked)'}`);
  throw failure('release.lock', 'cannot install the locked packages', {
    why: `not found in that version: ${list.slice(0, 8).join(', ')}${list.length > 8 ? ', …' : ''}`,
    next: 'build without --lock, or from a mirror that keeps old versions (--mirror)',
  });
}
