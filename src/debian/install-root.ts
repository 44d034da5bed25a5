import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../base/process.ts';
import type { ProgressStep } from '../base/progress.ts';
import type { InstalledPackage, RootRequest } from '../distribution/distribution.ts';
import { parsePackages, pinPreferences, queryFormat } from './package-list.ts';
import { excludedPaths, packages, suite, takenOut } from './recipe.ts';

/** Installs the recipe's packages into `scratch/root` with mmdebstrap. Needs root. */
export async function installRoot(request: RootRequest, step: ProgressStep): Promise<InstalledPackage[]> {
  const root = join(request.scratch, 'root');
  const options = [...mmdebstrapOptions];
  if (request.pinned) {
    const preferences = join(request.scratch, 'lock.pref');
    await writeFile(preferences, pinPreferences(request.pinned));
    options.push(`--setup-hook=upload ${preferences} /etc/apt/preferences.d/lock.pref`);
  }
  await run('mmdebstrap', [...options, suite, root, ...request.sources], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(request.sourceDateEpoch) },
    signal: request.signal,
    // apt prints a line for each package that it fetches and unpacks
    onErrorLine: (line) => {
      if (line.startsWith('I: ')) step.note(line.slice(3));
    },
  });
  const query = await run('dpkg-query', [
    `--admindir=${root}/var/lib/dpkg`,
    '--show',
    `--showformat=${queryFormat}`,
  ]);
  return parsePackages(query.stdout.toString(), new Set(takenOut));
}

export const mmdebstrapOptions: readonly string[] = [
  ...['--mode=root', '--variant=essential', '--format=directory', `--include=${packages.join(',')}`],
  '--aptopt=APT::Install-Recommends "false"',
  '--aptopt=Acquire::Retries "3"',
  ...excludedPaths.map((path) => `--dpkgopt=path-exclude=${path}`),
];
