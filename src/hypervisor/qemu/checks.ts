import { isFailure } from '../../base/errors.ts';
import type { HostCheck, HostFinding } from '../../base/host-check.ts';
import type { Distribution } from '../../distribution/distribution.ts';
import { chooseConfinement } from '../../sandbox/confinement.ts';
import { kvmObstacle, probeAccelerator } from './accelerator.ts';
import { findVsockDaemon } from './vsock-daemon.ts';

/** Checks what QEMU needs of the host in addition to its packages. @param tools the directory for fetched programs. */
export function qemuChecks(tools: string, distribution: Distribution): readonly HostCheck[] {
  return [
    { name: 'accelerator', examine: examineAccelerator },
    { name: 'sandbox', examine: examineSandbox },
    { name: 'private channel', examine: () => examineChannel(tools, distribution) },
  ];
}

async function examineAccelerator(): Promise<HostFinding> {
  try {
    const obstacle = await kvmObstacle();
    const reason = obstacle?.reason ?? (await probeAccelerator('kvm'));
    if (reason === undefined) return { verdict: 'ok', found: 'KVM: a guest ran under it' };
    const failed = await probeAccelerator('tcg');
    if (failed !== undefined) return { verdict: 'missing', found: `no guest runs: ${failed}` };
    return {
      verdict: 'warning',
      found: `emulation, which is many times slower; KVM is not used: ${reason}`,
      remedy:
        obstacle?.remedy ?? 'check whether a newer kernel of the host, or of its own host, lets guests run',
    };
  } catch (error) {
    if (!isFailure(error, 'process.missing')) throw error;
    return { verdict: 'missing', found: 'QEMU is not installed', remedy: 'see qemu-system-x86 below' };
  }
}

async function examineSandbox(): Promise<HostFinding> {
  const { confinement, obstacle } = await chooseConfinement(undefined);
  if (obstacle) {
    const parts = confinement.bubblewrap === undefined ? 'namespaces' : 'a user of its own';
    return {
      verdict: 'warning',
      found: `incomplete: the programs of a machine run without ${parts}: ${obstacle.reason}`,
      remedy: obstacle.remedy,
    };
  }
  const user = confinement.user === undefined ? 'as your user' : 'as a user of its own';
  return { verdict: 'ok', found: `each program of a machine runs ${user}, and sees only its files` };
}

async function examineChannel(tools: string, { name, host }: Distribution): Promise<HostFinding> {
  const daemon = await findVsockDaemon(tools);
  if (daemon !== undefined) return { verdict: 'ok', found: `vsock, through ${daemon}` };
  if (await host.findMirrors()) {
    return { verdict: 'ok', found: `vsock; the first start fetches vhost-device-vsock from ${name}` };
  }
  return {
    verdict: 'warning',
    found: 'no vsock: vhost-device-vsock is missing, and this host knows no mirror to fetch it from',
    remedy: `run \`${host.refreshCommand}\`, or deploy with --transport tcp`,
  };
}
