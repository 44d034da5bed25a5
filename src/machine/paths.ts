import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { misuse } from '../base/errors.ts';

/** The name of a machine. Branded: it has been checked and is safe as a directory's name. */
export type MachineName = string & { readonly __brand: 'MachineName' };

export const longestMachineName = 32;

/** Whether a machine can have this name. */
export function isMachineName(text: string): text is MachineName {
  return text.length <= longestMachineName && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(text);
}

/**
 * @throws HoldfastError `machine.name` (exit code 2).
 */
export function parseMachineName(text: string): MachineName {
  if (!isMachineName(text)) {
    throw misuse('machine.name', `'${text}' cannot be a machine's name`, {
      why: `a name has 1 to ${longestMachineName} small letters, digits and hyphens, and no hyphen at either end`,
      next: 'choose another, such as gateway-1',
    });
  }
  return text;
}

/** `HOLDFAST_HOME`, or the XDG data directory (XDG Base Directory Specification, section 3). Absolute. */
export function homeDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.HOLDFAST_HOME) return resolve(environment.HOLDFAST_HOME);
  return join(environment.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'holdfast');
}

/** Where everything of Holdfast lives on this host. All of it is below `home`, a directory with mode 0700. */
export function homeLayout(home: string) {
  return {
    home,
    /** Keys that sign releases: made on first use. */
    keys: join(home, 'keys'),
    /** Releases that machines run from, one directory each, named by the digest of the manifest. */
    releases: join(home, 'releases'),
    machines: join(home, 'machines'),
    /** Programs fetched from Debian with their signatures checked. */
    tools: join(home, 'tools'),
    /** What can be made again. */
    cache: join(home, 'cache'),
  } as const;
}

export type HomeLayout = ReturnType<typeof homeLayout>;

/** The files of a machine, in its directory. */
export function machineFiles(directory: string) {
  return {
    directory,
    configuration: join(directory, 'machine.json'),
    disk: join(directory, 'disk.qcow2'),
    /** UEFI variable store. */
    variables: join(directory, 'variables.fd'),
    /** Keys of both ends of the channel and the credentials for the guest: mode 0700. */
    secrets: join(directory, 'secrets'),
    /** What the machine's own TPM keeps, and the key that encrypts it; made before the first start with it. */
    tpm: join(directory, 'tpm'),
    /** Sockets and pid files of a running machine; made by its supervisor and removed when the machine is off. */
    run: join(directory, 'run'),
    supervisorSocket: join(directory, 'run', 'supervisor.sock'),
    /** Held by the supervisor as long as it lives. */
    supervisorLock: join(directory, 'supervisor.lock'),
    supervisorLog: join(directory, 'supervisor.log'),
    consoleLog: join(directory, 'console.log'),
    /** Held while a release is brought into a slot. */
    updateLock: join(directory, 'update.lock'),
  } as const;
}

export type MachineFiles = ReturnType<typeof machineFiles>;

/** The files of one machine, and what is beside its directory. */
export function machineLayout(layout: HomeLayout, name: MachineName) {
  return {
    ...machineFiles(join(layout.machines, name)),
    /** Held by whoever changes the machine. */
    lock: join(layout.machines, `${name}.lock`),
    /** Where a deployment puts the machine together; no name of a machine begins with a dot. */
    draft: join(layout.machines, `.${name}`),
  } as const;
}

export type MachineLayout = ReturnType<typeof machineLayout>;
