import { copyFile, link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { readIdentity } from '../../src/channel/keys.ts';
import type { Session } from '../../src/channel/session.ts';
import type { MachineHardware } from '../../src/hypervisor/hypervisor.ts';
import { hostHypervisor } from '../../src/supervisor/host-hypervisor.ts';
import { type Additions, plainDebian } from '../boot/plain-debian.ts';
import { firstCommand } from '../boot/timeline.ts';
import type { Defer } from '../measure.ts';
import { cache, home } from '../support/home.ts';

/** The first slot is active, the second is a separate partition. No boot loader is configured, which takes no time. */
const systemConfiguration = `[system]
compatible=bench
bootloader=noop

[keyring]
path=/etc/rauc/certificate.pem

[slot.rootfs.0]
device=/dev/vda2
type=ext4
bootname=A

[slot.rootfs.1]
device=/dev/vda3
type=raw
bootname=B
`;

const manifest = `[update]
compatible=bench
version=1

[bundle]
format=verity

[image.rootfs]
filename=root.img
`;

const additions: Additions = {
  packages: ['rauc', 'rauc-service'],
  files: { 'etc/rauc/system.conf': systemConfiguration },
};

const installLimitMs = 900_000;

/** RAUC in a running guest that has the bundle. */
export interface Rauc {
  /** Writes the image to the inactive slot. */
  install(): Promise<void>;
  /** Returns the peak memory of RAUC's service in MB. */
  memory(): Promise<number>;
}

/**
 * Starts a plain Debian with RAUC on the virtual hardware of a Holdfast machine and copies a bundle into it.
 * @param image the whole root image, including the tree.
 * @param kernel kernel version of the release.
 */
export async function startRauc(
  image: string,
  hardware: MachineHardware,
  kernel: string,
  defer: Defer,
): Promise<Rauc> {
  const debian = await plainDebian(cache, kernel, additions);
  const peer: MachineHardware = { ...hardware, name: 'plain-debian', credentials: {} };
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', debian.disk, peer.disk]);
  await copyFile(debian.variables, peer.variables);
  const { bundle, certificate } = await makeBundle(image, defer);
  const machine = await hostHypervisor(home).start(peer);
  defer(() => machine.kill());
  const session = await firstCommand(machine, await readIdentity(debian.secrets, 'root'));
  await put(session, '/etc/rauc/certificate.pem', certificate);
  await put(session, '/var/bundle.raucb', bundle);
  await session.run(['systemctl', 'restart', 'rauc.service'], { timeoutMs: 60_000 });
  return {
    install: async () => {
      await session.run(['rauc', 'install', '/var/bundle.raucb'], { timeoutMs: installLimitMs });
    },
    memory: async () => {
      const peak = 'grep VmHWM /proc/$(systemctl show --value --property=MainPID rauc.service)/status';
      const { stdout } = await session.run(['sh', '-c', peak], { timeoutMs: 60_000 });
      return peakOf(stdout.toString());
    },
  };
}

/** Parses VmHWM of proc_pid_status(5), in MB. @throws Error when it is missing, as for an ended process. */
export function peakOf(status: string): number {
  const kib = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
  if (kib === undefined) throw new Error('the process status has no VmHWM');
  return (Number(kib) * 1024) / 1_000_000;
}

async function put(session: Session, path: string, source: string): Promise<void> {
  const input = await readFile(source);
  await session.run(['sh', '-c', 'cat >"$1"', 'put', path], { input, timeoutMs: installLimitMs });
}

async function makeBundle(image: string, defer: Defer): Promise<{ bundle: string; certificate: string }> {
  const directory = await mkdtemp(join(home.directory, '.bench-rauc-'));
  defer(() => rm(directory, { recursive: true }));
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=bench', '-days', '1000'],
    ...['-keyout', key, '-out', certificate],
  ]);
  const content = join(directory, 'content');
  await mkdir(content);
  await writeFile(join(content, 'manifest.raucm'), manifest);
  await link(image, join(content, 'root.img'));
  const bundle = join(directory, 'bundle.raucb');
  await run('rauc', ['bundle', `--cert=${certificate}`, `--key=${key}`, content, bundle]);
  return { bundle, certificate };
}
