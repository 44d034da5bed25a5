import { z } from 'zod';
import { failure } from '../../base/errors.ts';

/** A Debian binary package that a release was made from. */
export const debianPackage = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/),
  version: z.string().regex(/^[0-9A-Za-z.+:~-]+$/),
  architecture: z.enum(['amd64', 'all']),
  /** Source package and its version: what security trackers speak of. */
  source: z.string(),
  sourceVersion: z.string(),
  /** Its files were taken out of the root again. */
  takenOut: z.boolean(),
});
export type DebianPackage = z.infer<typeof debianPackage>;

/** `packages.json`: with the recipe, all that decides a root's content. */
export const packageLock = z.strictObject({
  format: z.literal(1),
  suite: z.string(),
  /** Time stamp of everything in the release, seconds since 1970: the newest suite's date when it was first built. */
  sourceDateEpoch: z.int().positive(),
  packages: z.array(debianPackage),
});
export type PackageLock = z.infer<typeof packageLock>;

/** For dpkg-query: one package a line, fields apart by tabs. */
export const queryFormat = `${[
  'Package',
  'Version',
  'Architecture',
  'source:Package',
  'source:Version',
  'db:Status-Status',
]
  .map((field) => `\${${field}}`)
  .join('\\t')}\\n`;

/**
 * Reads what dpkg-query printed in `queryFormat`; sorted by name.
 * @throws HoldfastError `release.packages` when a package is not wholly installed or a line is malformed.
 */
export function parsePackages(text: string, takenOut: ReadonlySet<string>): DebianPackage[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [name, version, architecture, source, sourceVersion, status] = line.split('\t');
      const parsed = debianPackage.safeParse({
        ...{ name, version, architecture, source, sourceVersion },
        takenOut: takenOut.has(name ?? ''),
      });
      if (!parsed.success || status !== 'installed') {
        throw failure('release.packages', 'the list of installed packages makes no sense', { why: line });
      }
      return parsed.data;
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** apt preferences that allow exactly the locked versions (apt_preferences(5); above 1000 downgrades too). */
export function pinPreferences(lock: PackageLock): string {
  return lock.packages
    .map(({ name, version }) => `Package: ${name}\nPin: version ${version}\nPin-Priority: 1001\n`)
    .join('\n');
}

/**
 * @throws HoldfastError `release.lock` naming the packages whose versions the mirror no longer has.
 */
export function checkAgainstLock(installed: readonly DebianPackage[], lock: PackageLock): void {
  const locked = new Map(lock.packages.map(({ name, version }) => [name, version]));
  const wrong = installed.filter(({ name, version }) => locked.get(name) !== version);
  const names = new Set(installed.map(({ name }) => name));
  const missing = lock.packages.filter(({ name }) => !names.has(name));
  if (wrong.length + missing.length === 0) return;
  const list = [...wrong, ...missing].map(({ name }) => `${name} ${locked.get(name) ?? '(not locked)'}`);
  throw failure('release.lock', 'the locked packages cannot be had', {
    why: `not found in that version: ${list.slice(0, 8).join(', ')}${list.length > 8 ? ', …' : ''}`,
    next: 'build without --lock, or from a mirror that keeps old versions (--mirror)',
  });
}
