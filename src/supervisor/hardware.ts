import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { channelKeyFiles } from '../channel/keys.ts';
import type { MachineHardware } from '../hypervisor/hypervisor.ts';
import type { MachineConfiguration } from '../machine/configuration.ts';
import type { MachinePaths } from '../machine/paths.ts';
import { virtualTpmState } from '../tpm/virtual/virtual-tpm.ts';

/**
 * Returns the systemd credentials that distinguish one guest from another (systemd.system-credentials(7)): name to file.
 * systemd reads `system.…`; sshd of the image reads the keys; `holdfast.tcp` makes it listen on port 22; without
 * `holdfast.verity` the initrd starts no unverified root; with `holdfast.ipe` it enforces the integrity policy; with
 * `holdfast.volume` Data is encrypted, and only this volume is opened.
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
    'system.machine_id': machineIdFile(secrets),
    ...(transport === 'tcp' && { 'holdfast.tcp': join(secrets, 'tcp') }),
    ...(verity === 'off' && { 'holdfast.verity': join(secrets, 'verity-off') }),
    ...(ipe === 'enforce' && { 'holdfast.ipe': join(secrets, 'ipe-enforce') }),
    ...(encryption && { 'holdfast.volume': join(secrets, 'volume') }),
  };
}

/** Returns the path of the machine's ID, from which the identity of its hardware is derived. */
export function machineIdFile(secrets: string): string {
  return join(secrets, 'machine-id');
}

/** Writes the credentials that are not keys. @param secrets a directory that has the channel's keys already. */
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
    // as the kernel's sysfs shows it
    ...(encryption && { 'holdfast.volume': encryption.volume.toUpperCase() }),
  };
  // also those that no start needs yet
  const files = credentialFiles(secrets, { transport: 'tcp', verity: 'off', ipe: 'enforce', encryption });
  for (const [credential, text] of Object.entries(texts)) {
    const path = files[credential];
    if (path !== undefined) await writeFile(path, text, { mode: 0o600, flush: true });
  }
}

/**
 * Returns what the hypervisor needs to run a machine.
 * @param base the base image of its release.
 * @param keys additional credentials of one start: name to file.
 */
export function machineHardware(
  files: MachinePaths,
  configuration: MachineConfiguration,
  base: string,
  keys: Readonly<Record<string, string>> = {},
): MachineHardware {
  const { name, cpus, memory, transport } = configuration;
  return {
    name,
    cpus,
    memory,
    disk: files.disk,
    base,
    variables: files.variables,
    credentials: { ...credentialFiles(files.secrets, configuration), ...keys },
    transport,
    tpm: virtualTpmState(files.tpm),
    run: files.run,
    consoleLog: files.consoleLog,
  };
}
