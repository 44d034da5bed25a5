import { basename, join } from 'node:path';
import { findProgram } from '../../base/find-program.ts';
import type { HostDistribution } from '../../distribution/distribution.ts';

export const vsockProgram = 'vhost-device-vsock';

/** Returns the daemon's path: installed on the host, or fetched into the directory `tools`. */
export async function findVsockDaemon(tools: string): Promise<string | undefined> {
  return (await findProgram(vsockProgram)) ?? (await findProgram(fetchedProgram(tools)));
}

/**
 * Returns the daemon's path: installed on the host, or fetched, which is checked each time. Stable Debian releases up to 13 lack it.
 * @throws HoldfastError those of `fetchPackage`.
 */
export async function fetchVsockDaemon(
  tools: string,
  distribution: HostDistribution,
  mirror?: string,
): Promise<string> {
  const installed = await findProgram(vsockProgram);
  if (installed !== undefined) return installed;
  await distribution.fetchPackage(
    { name: vsockProgram, suite: 'development', mirror },
    join(tools, vsockProgram),
  );
  return fetchedProgram(tools);
}

function fetchedProgram(tools: string): string {
  return join(tools, vsockProgram, 'usr/bin', vsockProgram);
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
    // any value: each daemon serves one guest, so no other guest has an address in its network
    ...['--guest-cid', '3'],
    ...['--socket', sockets.device],
    ...['--uds-path', sockets.host],
    /*
     * The guest's credit for sending. vhost-device-vsock 0.3.0 drops packets in more than one descriptor
     * (`DescriptorLengthTooSmall`), which Linux uses above 32 KiB minus its own overhead (virtio_vsock.h,
     * VIRTIO_VSOCK_MAX_PKT_BUF_SIZE; SKB_WITH_OVERHEAD). With less credit it never sends that much at once.
     */
    ...['--tx-buffer-size', String(28 * 1024)],
  ];
}

/** Returns whether this is the argv of the daemon that serves QEMU on the socket `device`. */
export function isVsockDaemonOf(argv: readonly string[], device: string): boolean {
  return basename(argv[0] ?? '') === vsockProgram && argv[argv.indexOf('--socket') + 1] === device;
}
