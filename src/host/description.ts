import { readFile } from 'node:fs/promises';
import { arch, availableParallelism, freemem, release, totalmem } from 'node:os';
import packageFile from '../../package.json' with { type: 'json' };
import { hostPackages, installedVersions } from './packages.ts';

/** What of this host matters to its machines: for the archive of logs. Names no user, no address, no other program. */
export async function describeHost() {
  return {
    holdfast: packageFile.version,
    node: process.version,
    system: await systemName(),
    kernel: release(),
    architecture: arch(),
    cores: availableParallelism(),
    memory: { total: totalmem(), free: freemem() },
    packages: await packageVersions(),
  };
}

/** os-release(5) */
async function systemName(): Promise<string | undefined> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1];
}

/** Versions of the packages that run machines; those that are missing are not listed. */
async function packageVersions(): Promise<Readonly<Record<string, string>>> {
  return Object.fromEntries(await installedVersions(hostPackages.filter((each) => each.for === 'run')));
}
