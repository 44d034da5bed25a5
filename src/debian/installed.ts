import { run } from '../base/process.ts';

/**
 * Returns the installed ones of these packages, with their versions.
 * @throws HoldfastError `process.missing` when the host has no dpkg.
 */
export async function installedVersions(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is dpkg-query's
  const format = '${Package}\t${db:Status-Status}\t${Version}\n';
  // exit code 1: some are unknown to dpkg (dpkg-query(1))
  const { stdout } = await run('dpkg-query', ['--show', '--showformat', format, ...names], {
    accept: [0, 1],
  });
  return parseInstalled(stdout.toString());
}

/** Parses lines of `name TAB status TAB version`. Packages in any other state than `installed` are left out. */
export function parseInstalled(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').map((line) => line.split('\t'));
  return new Map(
    lines.flatMap(([name, status, version]) =>
      name && status === 'installed' ? [[name, version ?? ''] as const] : [],
    ),
  );
}
