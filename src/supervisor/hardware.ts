import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { channelKeyFiles } from '../channel/keys.ts';
import type { MachineHardware } from '../hypervisor/hypervisor.ts';
import type { MachineConfiguration } from '../machine/configuration.ts';
import type { MachinePaths } from '../machine/paths.ts';
import { virtualTpmState } from '../tpm/virtual/virtual-tpm.ts';

/**
 * What makes one guest differ from another, delivered as systemd credentials (systemd.system-credentials(7)): name to
 * file. `system.…` are systemd's own; sshd of the image reads the keys; `holdfast.tcp` makes it listen on port 22; without
 * `holdfast.verity` the initrd starts no root that is not verified; with `holdfast.ipe` it enforces the integrity policy;
 * with `holdfast.volume` Data is encrypted, and no other volume than this is opened.
 */
function credentialFiles(
  secrets: string,
  {
    transport,
    verity,
    ipe,
    encryption,
  }: Pick<MachineConfiguration, 'transport' | 'verity' | 'ipe' | 'encryption'>,
): Readonly<Record<string, string>> {
  const keys = channelKeyFiles(secrets);
  return {
    'holdfast.authorized-keys': keys.identityPublic,
    'holdfast.host-key': keys.hostKey,
    'system.hostname': join(secrets, 'hostname'),
    'system.machine_id': join(secrets, 'machine-id'),
    ...(transport === 'tcp' && { 'holdfast.tcp': join(secrets, 'tcp') }),
    ...(verity === 'off' && { 'holdfast.verity': join(secrets, 'verity-off') }),
    ...(ipe === 'enforce' && { 'holdfast.ipe': join(secrets, 'ipe-enforce') }),
    ...(encryption && { 'holdfast.volume': join(secrets, 'volume') }),
  };
}

/** Writes the credentials that are not keys. @param secrets a directory that holds the channel's keys already. */
export async function writeCredentials(
  secrets: string,
  name: string,
  encryption: MachineConfiguration['encryption'],
): Promise<void> {
  const texts = {
    'system.hostname': name,
    // machine-id(5): a random UUID without hyphens
    'system.machine_id': randomUUID().replaceAll('-', ''),
    'holdfast.tcp': 'yes',
    'holdfast.verity': 'off',
    'holdfast.ipe': 'enforce',
    // in the form of the kernel's sysfs
    ...(encryption && { 'holdfast.volume': encryption.volume.toUpperCase() }),
  };
  // those too that no start needs so far
  const files = credentialFiles(secrets, { transport: 'tcp', verity: 'off', ipe: 'enforce', encryption });
  for (const [credential, text] of Object.entries(texts)) {
    const path = files[credential];
    if (path !== undefined) await writeFile(path, text, { mode: 0o600, flush: true });
  }
}

/**
 * What the hypervisor needs to run a machine.
 * @param keys further credentials of this one start: name to file.
 */
export function machineHardware(
  files: MachinePaths,
  configuration: MachineConfiguration,
  keys: Readonly<Record<string, string>> = {},
): MachineHardware {
  const { name, cpus, memory, transport } = configuration;
  return {
    name,
    cpus,
    memory,
    disk: files.disk,
    variables: files.variables,
    credentials: { ...credentialFiles(files.secrets, configuration), ...keys },
    transport,
    tpm: virtualTpmState(files.tpm),
    run: files.run,
    consoleLog: files.consoleLog,
  };
}
