import * as z from 'zod';
import { hostArchitecture } from '../base/architecture.ts';
import { failure } from '../base/errors.ts';
import type { InstalledPackage, PinnedPackage } from '../distribution/distribution.ts';
import { ports } from './ports.ts';

/** Names and versions: Debian Policy, sections 5.6.1 and 5.6.12. */
export const debianPackage = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/),
  version: z.string().regex(/^[0-9A-Za-z.+:~-]+$/),
  architecture: z.enum([ports[hostArchitecture.name].architecture, 'all']),
  source: z.string(),
  sourceVersion: z.string(),
  takenOut: z.boolean(),
}) satisfies z.ZodType<InstalledPackage>;

/** For dpkg-query: one package a line, fields separated by tabs. */
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
 * Parses the output of dpkg-query in `queryFormat`, sorted by name.
 * @throws HoldfastError `release.packages` when a package is not completely installed or a line is malformed.
 */
export function parsePackages(text: string, takenOut: ReadonlySet<string>): InstalledPackage[] {
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
        throw failure('release.packages', 'cannot read the list of installed packages', { why: line });
      }
      return parsed.data;
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Returns apt preferences that allow exactly these versions (apt_preferences(5); above 1000 also downgrades). */
export function pinPreferences(packages: readonly PinnedPackage[]): string {
  return packages
    .map(({ name, version }) => `Package: ${name}\nPin: version ${version}\nPin-Priority: 1001\n`)
    .join('\n');
}
