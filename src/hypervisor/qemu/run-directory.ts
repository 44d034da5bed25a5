import { join } from 'node:path';
import { failure } from '../../base/errors.ts';

/** unix(7): `sun_path` has 108 bytes, the last of them NUL. */
const longestSocketPath = 107;

/** The files of a running machine, in its run directory. */
export interface RunFiles {
  /** QEMU's control socket. */
  readonly qmp: string;
  /** QEMU connects to vhost-device-vsock here. */
  readonly vsockDevice: string;
  /** The host reads and writes the disk here while an update is staged. */
  readonly disk: string;
  /** The host connects to the guest's vsock ports here. */
  readonly vsockHost: string;
  /** QEMU controls the machine's TPM here. */
  readonly tpm: string;
  readonly qemuLog: string;
  readonly vsockLog: string;
  readonly tpmLog: string;
  /** The credentials in QEMU's form: only there while QEMU starts. */
  readonly credentials: string;
}

/** @throws HoldfastError `hypervisor.path-too-long`. */
export function runFiles(directory: string): RunFiles {
  const files = {
    qmp: join(directory, 'qmp.sock'),
    disk: join(directory, 'disk.sock'),
    vsockDevice: join(directory, 'vhost.sock'),
    vsockHost: join(directory, 'vsock.sock'),
    tpm: join(directory, 'tpm.sock'),
    qemuLog: join(directory, 'qemu.log'),
    vsockLog: join(directory, 'vsock.log'),
    tpmLog: join(directory, 'tpm.log'),
    credentials: join(directory, 'credentials'),
  };
  const longest = Math.max(
    ...[files.qmp, files.vsockDevice, files.vsockHost].map((path) => Buffer.byteLength(path)),
  );
  if (longest <= longestSocketPath) return files;
  throw failure('hypervisor.path-too-long', 'the path of the machine is too long', {
    why: `a socket in ${directory} would have ${longest} bytes; Linux allows ${longestSocketPath}`,
    next: 'set HOLDFAST_HOME to a directory with a shorter path',
  });
}
