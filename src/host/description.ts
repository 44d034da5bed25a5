import { readFile } from 'node:fs/promises';
import { arch, availableParallelism, freemem, release, totalmem } from 'node:os';
import packageFile from '../../package.json' with { type: 'json' };
import type { Home } from '../machine/paths.ts';
import { hostDistribution } from '../supervisor/host-distribution.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { hostPackages } from './packages.ts';

/** Describes this host for the log archive. Names no user, no address and no other program. */
export async function describeHost(home: Home) {
  return {
    holdfast: packageFile.version,
    node: process.version,
    system: await systemName(),
    kernel: release(),
    architecture: arch(),
    cores: availableParallelism(),
    memory: { total: totalmem(), free: freemem() },
    packages: await packageVersions(home),
  };
}

/** Reads os-release(5). */
async function systemName(): Promise<string | undefined> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1];
}

/** Returns the versions of the installed packages that run machines. */
async function packageVersions(home: Home): Promise<Readonly<Record<string, string>>> {
  const packages = hostPackages(hostHypervisor(home), hostDistribution);
  const names = packages.filter((each) => each.for === 'run').map((each) => each.package);
  return Object.fromEntries(await hostDistribution.host.installedVersions(names));
}
