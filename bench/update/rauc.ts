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

/** The root runs from the first slot; the second is a partition of its own. No boot loader is told: that takes no time. */
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

/** RAUC in a guest that runs, with a bundle that is there already. */
export interface Rauc {
  /** Writes the image into the other slot. */
  install(): Promise<void>;
  /** The most memory that RAUC's service has used so far, in MB. */
  memory(): Promise<number>;
}

/**
 * Starts a plain Debian with RAUC on the same virtual hardware as a machine of ours, and puts a bundle into it.
 * @param image the whole root image, tree included. @param kernel version of the release's kernel.
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

/** VmHWM of proc_pid_status(5), in MB. @throws Error when it is not there: the process has ended. */
export function peakOf(status: string): number {
  const kib = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
  if (kib === undefined) throw new Error('the process tells no peak of memory');
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
