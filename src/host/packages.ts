import { z } from 'zod';
import { run } from '../base/process.ts';
import table from './packages.json' with { type: 'json' };

/** What a package of the host's Debian is for: running machines, building releases, testing Holdfast. */
const purposes = ['run', 'build', 'test'] as const;
export type Purpose = (typeof purposes)[number];

const hostPackage = z.strictObject({
  package: z.string(),
  /** A program on PATH, or the absolute path of a file: there when the package is installed. */
  provides: z.string(),
  for: z.enum(purposes),
  why: z.string(),
});

export type HostPackage = z.infer<typeof hostPackage>;

/** All packages of Debian that Holdfast uses on the host. */
export const hostPackages: readonly HostPackage[] = z.array(hostPackage).parse(table);

/**
 * The packages for these purposes that are not installed.
 * @throws HoldfastError `process.missing` when the host has no dpkg.
 */
export async function missingPackages(wanted: readonly Purpose[]): Promise<readonly HostPackage[]> {
  const candidates = hostPackages.filter((each) => wanted.includes(each.for));
  const installed = await installedVersions(candidates);
  return candidates.filter((each) => !installed.has(each.package));
}

/**
 * Of these packages those that are installed, with their versions.
 * @throws HoldfastError `process.missing` when the host has no dpkg.
 */
export async function installedVersions(
  packages: readonly HostPackage[],
): Promise<ReadonlyMap<string, string>> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is dpkg-query's
  const format = '${Package}\t${db:Status-Status}\t${Version}\n';
  const names = packages.map((each) => each.package);
  // exit code 1: some are unknown to dpkg (dpkg-query(1))
  const { stdout } = await run('dpkg-query', ['--show', '--showformat', format, ...names], {
    accept: [0, 1],
  });
  return parseInstalled(stdout.toString());
}

/** Name and version of installed packages in lines of `name TAB status TAB version`. Others are only in part installed. */
export function parseInstalled(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').map((line) => line.split('\t'));
  return new Map(
    lines.flatMap(([name, status, version]) =>
      name && status === 'installed' ? [[name, version ?? ''] as const] : [],
    ),
  );
}
