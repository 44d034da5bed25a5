import { open, stat } from 'node:fs/promises';
import { makeDirectory, makePrivateDirectory } from '../../base/files.ts';
import type { ConfinedProgram, Confinement } from '../../sandbox/confined-command.ts';
import { giveDirectory, giveFile } from '../../sandbox/owned-files.ts';
import type { TpmState } from '../../tpm/virtual/swtpm.ts';
import type { MachineHardware } from '../hypervisor.ts';
import { type Accelerator, kvmDevice } from './arguments.ts';
import { platform } from './platforms.ts';
import { refreshResolver } from './resolver.ts';
import type { RunFiles } from './run-directory.ts';

/*
 * What each program of a machine may see and write. None sees the machine's secrets, another machine, or the files of
 * another program of the same machine; docs/reference/sandbox.md has the table.
 */

type Confined = Omit<ConfinedProgram, 'program' | 'args'>;

const nothing: Confined = { readable: [], writable: [], devices: [], network: false };

export function confinedQemu(hardware: MachineHardware, files: RunFiles): Confined {
  return {
    // the two sockets, not their directories: QEMU cannot pose as the host or as the guest's other helpers
    readable: [
      ...platform.dataDirectories,
      files.credentials,
      ...(hardware.base === undefined ? [] : [hardware.base]),
    ],
    writable: [
      hardware.disk,
      hardware.variables,
      hardware.consoleLog,
      files.qemuDirectory,
      ...(hardware.transport === 'vsock' ? [files.vsockDevice] : []),
      ...(hardware.tpm ? [files.tpm] : []),
    ],
    devices: [kvmDevice],
    network: true, // of the guest: NAT in user space
    etc: files.etc,
  };
}

export function confinedVsockDaemon(files: RunFiles): Confined {
  return { ...nothing, writable: [files.vsockDirectory] };
}

export function confinedTpm(state: TpmState, files: RunFiles): Confined {
  return { ...nothing, writable: [state.directory, files.tpmDirectory] };
}

/** Makes the directories for the sockets of a machine, and gives its programs what they write. Only root can give. */
export async function prepareFiles(
  hardware: MachineHardware,
  files: RunFiles,
  { isRoot, user }: Confinement,
): Promise<void> {
  await (await open(hardware.consoleLog, 'a', 0o600)).close();
  const directories = [files.qemuDirectory, files.vsockDirectory, files.tpmDirectory];
  for (const directory of directories) await makePrivateDirectory(directory);
  await makeDirectory(files.etc, 0o755);
  await refreshResolver(files.etc);
  if (!isRoot) return;
  const owner = user ?? 0; // back to root when namespaces are no longer available
  for (const path of [hardware.disk, hardware.variables, hardware.consoleLog]) await giveFile(path, owner);
  const given = [...directories, files.credentials, ...(hardware.tpm ? [hardware.tpm.directory] : [])];
  for (const path of given) await giveDirectory(path, owner);
}

/** Returns the supplementary groups that give access to the processor's virtualization. */
export async function acceleratorGroups(accelerator: Accelerator): Promise<readonly number[]> {
  if (accelerator !== 'kvm') return [];
  const { gid } = await stat(kvmDevice);
  return gid === 0 ? [] : [gid];
}
