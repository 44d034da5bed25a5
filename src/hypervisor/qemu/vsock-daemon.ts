import { basename, join } from 'node:path';
import { failure } from '../../base/errors.ts';
import { findProgram } from '../../base/find-program.ts';
import { hostMirrors } from '../../debian/mirror.ts';
import { unpackDebianPackage } from '../../debian/package.ts';

const program = 'vhost-device-vsock';

/** Debian's own keys, from its package debian-archive-keyring. */
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Where the daemon is: installed on the host, or fetched into the directory `tools`. */
export async function findVsockDaemon(tools: string): Promise<string | undefined> {
  return (await findProgram(program)) ?? (await findProgram(fetchedProgram(tools)));
}

/**
 * Fetches vhost-device-vsock, which stable Debian releases up to 13 lack, from Debian sid; does nothing when it is there.
 * @param mirror of Debian; default: the one that the host's apt uses.
 * @returns its path.
 * @throws HoldfastError `vsock.no-mirror`, and what `unpackDebianPackage` throws.
 */
export async function fetchVsockDaemon(tools: string, mirror?: string): Promise<string> {
  const found = await findVsockDaemon(tools);
  if (found !== undefined) return found;
  const archive = mirror ?? (await hostMirrors())?.archive;
  if (archive === undefined) {
    throw failure('vsock.no-mirror', `${program} cannot be fetched`, {
      why: "this host's apt knows no mirror of Debian",
      next: 'run `apt-get update` and try again, or deploy with --transport tcp, which needs no such program',
    });
  }
  await unpackDebianPackage({ name: program, suite: 'sid', mirror: archive, keyring }, join(tools, program));
  return fetchedProgram(tools);
}

function fetchedProgram(tools: string): string {
  return join(tools, program, 'usr/bin', program);
}

/** The daemon's sockets in a machine's run directory. */
export interface VsockSockets {
  /** QEMU connects here. */
  readonly device: string;
  /** The host connects here: `CONNECT PORT\n`. */
  readonly host: string;
}

export function vsockArguments(sockets: VsockSockets): readonly string[] {
  return [
    // A free choice: each daemon serves one guest, so that no other guest has an address in its network.
    ...['--guest-cid', '3'],
    ...['--socket', sockets.device],
    ...['--uds-path', sockets.host],
    /*
     * The credit that the guest has for sending. vhost-device-vsock 0.3.0 drops packets that lie in more than one
     * descriptor (`DescriptorLengthTooSmall`), which Linux makes of everything above 32 KiB less its own overhead
     * (virtio_vsock.h, VIRTIO_VSOCK_MAX_PKT_BUF_SIZE; SKB_WITH_OVERHEAD). With less credit it never sends so much at once.
     */
    ...['--tx-buffer-size', String(28 * 1024)],
  ];
}

/** Whether this argv is that of the daemon that serves QEMU on the socket `device`. */
export function isVsockDaemonOf(argv: readonly string[], device: string): boolean {
  return basename(argv[0] ?? '') === program && argv[argv.indexOf('--socket') + 1] === device;
}
