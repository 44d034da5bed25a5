import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { exists } from '../base/files.ts';
import { findProgram } from '../base/find-program.ts';
import type { HostCheck, HostFinding } from '../base/host-check.ts';
import { exposureOf } from '../base/own-path.ts';
import { type Bytes, formatSize, GiB } from '../base/size.ts';
import type { Distribution, HostPackage } from '../distribution/distribution.ts';
import { socketPathExcess } from '../hypervisor/socket-paths.ts';
import { defaults } from '../machine/limits.ts';
import { type Home, longestMachineName, machinePaths, parseMachineName } from '../machine/paths.ts';
import { hostDistribution } from '../supervisor/host-distribution.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { hostServiceManager } from '../supervisor/systemd/autostart.ts';
import { hostPackages } from './packages.ts';

/** A release takes about 1 GB while it is built, and a machine with the default settings less than 2 GB to begin with. */
const comfortableSpace = (4 * GiB) as Bytes;
const scarceSpace = (0.5 * GiB) as Bytes;

/** Returns the checks of all that Holdfast needs of this host. */
export function hostChecks(home: Home): readonly HostCheck[] {
  const hypervisor = hostHypervisor(home);
  const { host } = hostDistribution;
  const wanted = hostPackages(hypervisor, hostDistribution).filter((each) => each.for !== 'test');
  const versions = host
    .installedVersions(wanted.map((each) => each.package))
    .catch(() => new Map<string, string>()); // no package manager: what is there counts
  return [
    ...hypervisor.checks,
    { name: 'memory', examine: async () => memoryFinding(process.availableMemory() as Bytes) },
    { name: 'disk space', examine: () => examineSpace(home.directory) },
    { name: 'home', examine: () => examineHome(home) },
    { name: 'socket paths', examine: async () => socketPathFinding(home) },
    { name: 'autostart', examine: examineServices },
    { name: 'package mirror', examine: () => examineMirror(hostDistribution) },
    ...wanted.map((each) => ({
      name: each.package,
      examine: async () =>
        packageFinding(each, host, await isProvided(each), (await versions).get(each.package)),
    })),
  ];
}

/** Judges whether the default machine fits into the memory that a new process can have. */
export function memoryFinding(available: Bytes): HostFinding {
  const found = `${formatSize(available)} available`;
  if (available >= defaults.memory) return { verdict: 'ok', found };
  return {
    verdict: 'missing',
    found: `${found}; a machine needs at least ${formatSize(defaults.memory)}`,
    remedy: 'end other programs, or give the host more memory',
  };
}

async function examineSpace(home: string): Promise<HostFinding> {
  let directory = home;
  while (!(await exists(directory)) && directory !== dirname(directory)) directory = dirname(directory);
  const { bavail, bsize } = await statfs(directory);
  return spaceFinding((bavail * bsize) as Bytes, home);
}

async function examineHome({ directory, keys, machines }: Home): Promise<HostFinding> {
  const [problem] = (await Promise.all([keys, machines].map(exposureOf))).filter(
    (each) => each !== undefined,
  );
  if (problem === undefined)
    return { verdict: 'ok', found: `${directory}: only this user and root can change it` };
  return {
    verdict: 'missing',
    found: `other users could replace keys and machines: ${problem}`,
    remedy: 'correct owner and mode after a look at what is there, or set HOLDFAST_HOME to another directory',
  };
}

export function spaceFinding(free: Bytes, home: string): HostFinding {
  const found = `${formatSize(free)} free for ${home}`;
  if (free >= comfortableSpace) return { verdict: 'ok', found };
  return {
    verdict: free >= scarceSpace ? 'warning' : 'missing',
    found: `${found}; a release and a machine need ${formatSize(comfortableSpace)} to be comfortable`,
    remedy: 'free some space, or set HOLDFAST_HOME to a directory on a larger disk',
  };
}

/** Judges which names of machines leave room for the paths of their sockets. */
export function socketPathFinding(home: Home): HostFinding {
  const longest = parseMachineName('x'.repeat(longestMachineName));
  const room = longestMachineName - Math.max(0, socketPathExcess(machinePaths(home, longest).run));
  if (room >= longestMachineName) return { verdict: 'ok', found: 'short enough for every machine name' };
  const remedy = 'set HOLDFAST_HOME to a directory with a shorter path';
  if (room < 1)
    return { verdict: 'missing', found: 'HOLDFAST_HOME is too long for any machine name', remedy };
  return {
    verdict: room < 'default'.length ? 'missing' : 'warning',
    found: `HOLDFAST_HOME is too long for machine names of more than ${room} characters`,
    remedy,
  };
}

async function examineServices(): Promise<HostFinding> {
  const manager = hostServiceManager();
  if (!(await manager.isRunning())) {
    return {
      verdict: 'warning',
      found: 'systemd is not running: machines do not start with the host',
      remedy: "run `holdfast start` from this host's own init system",
    };
  }
  if (await manager.isLingering()) return { verdict: 'ok', found: `systemd, ${manager.scope} services` };
  return {
    verdict: 'warning',
    found: 'systemd starts your services only when you log in',
    remedy: 'run `sudo loginctl enable-linger $USER`',
  };
}

async function examineMirror({ name, host }: Distribution): Promise<HostFinding> {
  const mirrors = await host.findMirrors();
  if (mirrors) return { verdict: 'ok', found: mirrors.archive };
  return {
    verdict: 'warning',
    found: `this host knows no mirror of ${name}: builds use the default one`,
    remedy: `run \`${host.refreshCommand}\`, or build with --mirror URL`,
  };
}

async function isProvided({ provides }: HostPackage): Promise<boolean> {
  return provides.startsWith('/') ? exists(provides) : (await findProgram(provides)) !== undefined;
}

/** @param version from the package manager; undefined when that has none. */
export function packageFinding(
  wanted: HostPackage,
  host: Pick<Distribution['host'], 'installCommand'>,
  isThere: boolean,
  version: string | undefined,
): HostFinding {
  if (isThere) return { verdict: 'ok', found: version ?? 'installed, but not as a package' };
  const forBuilds = wanted.for === 'build' ? 'needed for builds only; ' : '';
  return {
    verdict: wanted.for === 'run' ? 'missing' : 'warning',
    found: `${wanted.provides} is missing; ${forBuilds}it ${wanted.why}`,
    remedy: `run \`${host.installCommand(wanted.package)}\``,
  };
}
