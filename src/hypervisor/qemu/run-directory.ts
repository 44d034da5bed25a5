import { join } from 'node:path';
import { checkSocketPaths } from '../socket-paths.ts';

/** The files of a running machine, in its run directory. */
export interface RunFiles {
  /** QEMU's control socket. */
  readonly qmp: string;
  /** QEMU connects to vhost-device-vsock here. */
  readonly vsockDevice: string;
  /** The host reads and writes the disk here during an update. */
  readonly disk: string;
  /** The host connects to the guest's vsock ports here. */
  readonly vsockHost: string;
  /** QEMU controls the machine's TPM here. */
  readonly tpm: string;
  readonly qemuLog: string;
  readonly vsockLog: string;
  readonly tpmLog: string;
  /** The credentials in QEMU's form. Exists only while QEMU starts. */
  readonly credentials: string;
}

/** Returns the files in a run directory. @throws HoldfastError `home.too-long` (exit code 2). */
export function runFiles(directory: string): RunFiles {
  checkSocketPaths(directory);
  return filesIn(directory);
}

/** Returns the log files of a machine's processes. */
export function runLogFiles(directory: string): readonly string[] {
  const { qemuLog, vsockLog, tpmLog } = filesIn(directory);
  return [qemuLog, vsockLog, tpmLog];
}

function filesIn(directory: string): RunFiles {
  return {
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
}
