import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { checkSocketPaths } from '../socket-paths.ts';

/**
 * The files of a running machine, in its run directory. Each program has a directory for its sockets, which it may write; the
 * run directory itself is the supervisor's alone.
 */
export interface RunFiles {
  readonly qemuDirectory: string;
  readonly vsockDirectory: string;
  readonly tpmDirectory: string;
  /** What QEMU sees as /etc. */
  readonly etc: string;
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
  const at = (...parts: readonly string[]) => join(directory, ...parts);
  return {
    qemuDirectory: at('qemu'),
    vsockDirectory: at('vsock'),
    tpmDirectory: at('tpm'),
    etc: at('etc'),
    qmp: at('qemu', 'qmp.sock'),
    disk: at('qemu', 'disk.sock'),
    vsockDevice: at('vsock', 'vhost.sock'),
    vsockHost: at('vsock', 'vsock.sock'),
    tpm: at('tpm', 'tpm.sock'),
    qemuLog: at('qemu.log'),
    vsockLog: at('vsock.log'),
    tpmLog: at('tpm.log'),
    credentials: at('credentials'),
  };
}

/** Returns the files of a machine that Holdfast 13.8 or earlier started: its sockets are in the run directory itself. */
export function earlierRunFiles(directory: string): RunFiles {
  const files = runFiles(directory);
  const sockets = {
    qmp: join(directory, 'qmp.sock'),
    disk: join(directory, 'disk.sock'),
    vsockDevice: join(directory, 'vhost.sock'),
    vsockHost: join(directory, 'vsock.sock'),
    tpm: join(directory, 'tpm.sock'),
  };
  return { ...files, ...sockets };
}

/** Removes the sockets and credentials of processes that have ended: none can put a link in the way any more. */
export async function removeSockets(files: RunFiles): Promise<void> {
  for (const path of [files.qmp, files.disk, files.vsockDevice, files.vsockHost, files.tpm])
    await rm(path, { force: true });
  const { qemuDirectory, vsockDirectory, tpmDirectory, etc, credentials } = files;
  for (const directory of [qemuDirectory, vsockDirectory, tpmDirectory, etc, credentials])
    await rm(directory, { recursive: true, force: true });
}
