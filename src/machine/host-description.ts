import { readFile } from 'node:fs/promises';
import { arch, availableParallelism, freemem, release, totalmem } from 'node:os';
import packageFile from '../../package.json' with { type: 'json' };
import { run } from '../base/process.ts';
import { hostPackages } from './host-packages.ts';

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
  const names = hostPackages.filter((each) => each.for === 'run').map((each) => each.package);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is dpkg-query's
  const format = '${Package} ${Version}\n';
  // exit code 1: some are unknown to dpkg (dpkg-query(1))
  const { stdout } = await run('dpkg-query', ['--show', '--showformat', format, ...names], {
    accept: [0, 1],
  });
  const lines = stdout.toString().trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(' ', 2)));
}
