import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HoldfastError, isFailure } from '../base/errors.ts';
import { exists } from '../base/files.ts';
import { findProgram } from '../base/find-program.ts';
import { type Bytes, formatSize, GiB } from '../base/size.ts';
import { hostMirrors } from '../debian/mirror.ts';
import { kvmObstacle, probeAccelerator } from '../hypervisor/qemu/accelerator.ts';
import { runFiles } from '../hypervisor/qemu/run-directory.ts';
import { findVsockDaemon } from '../hypervisor/qemu/vsock-daemon.ts';
import { defaults } from '../machine/limits.ts';
import { type HomeLayout, machineLayout, parseMachineName } from '../machine/paths.ts';
import { hostServiceManager } from '../supervisor/systemd/autostart.ts';
import type { Finding, HostCheck } from './doctor.ts';
import { type HostPackage, hostPackages, installedVersions } from './packages.ts';

/** A release takes about 1 GB while it is built, and a machine with the default settings less than 2 GB to begin with. */
const comfortableSpace = (4 * GiB) as Bytes;
const scarceSpace = (0.5 * GiB) as Bytes;

/** All that Holdfast needs of this host. */
export function hostChecks(layout: HomeLayout): readonly HostCheck[] {
  const wanted = hostPackages.filter((each) => each.for !== 'test');
  const versions = installedVersions(wanted).catch(() => new Map<string, string>()); // no dpkg: what is there counts
  return [
    { name: 'accelerator', examine: examineAccelerator },
    { name: 'memory', examine: async () => memoryFinding(process.availableMemory() as Bytes) },
    { name: 'disk space', examine: () => examineSpace(layout.home) },
    { name: 'private channel', examine: () => examineChannel(layout) },
    { name: 'autostart', examine: examineServices },
    { name: 'package mirror', examine: examineMirror },
    ...wanted.map((each) => ({
      name: each.package,
      examine: async () => packageFinding(each, await isProvided(each), (await versions).get(each.package)),
    })),
  ];
}

async function examineAccelerator(): Promise<Finding> {
  try {
    const obstacle = await kvmObstacle();
    const reason = obstacle?.reason ?? (await probeAccelerator('kvm'));
    if (reason === undefined) return { verdict: 'ok', found: 'KVM: a guest ran under it' };
    const failed = await probeAccelerator('tcg');
    if (failed !== undefined) return { verdict: 'missing', found: `no guest runs: ${failed}` };
    return {
      verdict: 'warning',
      found: `emulation, which is many times slower; not KVM: ${reason}`,
      mend:
        obstacle?.mend ?? 'see whether a newer kernel of the host, or of what it runs on, lets guests run',
    };
  } catch (error) {
    if (!isFailure(error, 'process.missing')) throw error;
    return { verdict: 'missing', found: 'QEMU is not installed', mend: 'see qemu-system-x86 below' };
  }
}

/** Whether the default machine fits into the memory that a new process can have. */
export function memoryFinding(available: Bytes): Finding {
  const found = `${formatSize(available)} available`;
  if (available >= defaults.memory) return { verdict: 'ok', found };
  return {
    verdict: 'missing',
    found: `${found}; a machine needs at least ${formatSize(defaults.memory)}`,
    mend: 'end other programs, or give the host more memory',
  };
}

async function examineSpace(home: string): Promise<Finding> {
  let directory = home;
  while (!(await exists(directory)) && directory !== dirname(directory)) directory = dirname(directory);
  const { bavail, bsize } = await statfs(directory);
  return spaceFinding((bavail * bsize) as Bytes, home);
}

export function spaceFinding(free: Bytes, home: string): Finding {
  const found = `${formatSize(free)} free for ${home}`;
  if (free >= comfortableSpace) return { verdict: 'ok', found };
  return {
    verdict: free >= scarceSpace ? 'warning' : 'missing',
    found: `${found}; ${formatSize(comfortableSpace)} are comfortable for a release and a machine`,
    mend: 'free some space, or set HOLDFAST_HOME to a directory on a larger disk',
  };
}

async function examineChannel(layout: HomeLayout): Promise<Finding> {
  try {
    runFiles(machineLayout(layout, parseMachineName('x'.repeat(32))).run);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { verdict: 'missing', found: error.why ?? error.message, ...(error.next && { mend: error.next }) };
  }
  const daemon = await findVsockDaemon(layout.tools);
  if (daemon !== undefined) return { verdict: 'ok', found: `vsock, through ${daemon}` };
  if (await hostMirrors())
    return { verdict: 'ok', found: 'vsock; vhost-device-vsock is fetched from Debian at the first start' };
  return {
    verdict: 'warning',
    found: 'no vsock: vhost-device-vsock is not there, and apt knows no mirror to fetch it from',
    mend: 'run `sudo apt-get update`, or deploy with --transport tcp',
  };
}

async function examineServices(): Promise<Finding> {
  const manager = hostServiceManager();
  if (!(await manager.isRunning())) {
    return {
      verdict: 'warning',
      found: 'systemd does not run here: machines do not come up with the host by themselves',
      mend: 'start them from what this host uses instead: `holdfast start`',
    };
  }
  if (await manager.isLingering()) return { verdict: 'ok', found: `systemd, ${manager.scope} services` };
  return {
    verdict: 'warning',
    found: 'systemd starts your services only when you log in',
    mend: 'run `sudo loginctl enable-linger $USER`',
  };
}

async function examineMirror(): Promise<Finding> {
  const mirrors = await hostMirrors();
  if (mirrors) return { verdict: 'ok', found: mirrors.archive };
  return {
    verdict: 'warning',
    found: "apt knows no mirror of Debian: builds use mmdebstrap's own",
    mend: 'run `sudo apt-get update`, or build with --mirror URL',
  };
}

async function isProvided({ provides }: HostPackage): Promise<boolean> {
  return provides.startsWith('/') ? exists(provides) : (await findProgram(provides)) !== undefined;
}

/** @param version as the package manager knows it; undefined when it does not. */
export function packageFinding(wanted: HostPackage, isThere: boolean, version: string | undefined): Finding {
  if (isThere) return { verdict: 'ok', found: version ?? 'there, but not as a package of Debian' };
  const forBuilds = wanted.for === 'build' ? 'only for `holdfast build`: ' : '';
  return {
    verdict: wanted.for === 'run' ? 'missing' : 'warning',
    found: `${wanted.provides} is not there; ${forBuilds}it ${wanted.why}`,
    mend: `run \`sudo apt-get install ${wanted.package}\``,
  };
}
