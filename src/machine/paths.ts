import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { misuse } from '../base/errors.ts';

/** A valid machine name: safe as the name of a directory. */
export type MachineName = string & { readonly __brand: 'MachineName' };

export const longestMachineName = 32;

/** Returns whether `text` is a valid machine name. */
export function isMachineName(text: string): text is MachineName {
  return text.length <= longestMachineName && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(text);
}

/**
 * @throws HoldfastError `machine.name` (exit code 2).
 */
export function parseMachineName(text: string): MachineName {
  if (!isMachineName(text)) {
    throw misuse('machine.name', `'${text}' is not a valid machine name`, {
      why: `a name has 1 to ${longestMachineName} lower-case letters, digits and hyphens, and no hyphen at either end`,
      next: 'choose another name, such as gateway-1',
    });
  }
  return text;
}

/**
 * Returns `HOLDFAST_HOME`, or the XDG data directory (XDG Base Directory Specification, section 3), as an
 * absolute path.
 */
export function homeDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.HOLDFAST_HOME) return resolve(environment.HOLDFAST_HOME);
  return join(environment.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'holdfast');
}

/** The directories below HOLDFAST_HOME, each with mode 0700. */
export interface Home {
  readonly directory: string;
  /** Keys that sign releases; created on first use. */
  readonly keys: string;
  /** The release store: one directory for each release, named by the digest of its manifest. */
  readonly releases: string;
  readonly machines: string;
  /** Programs unpacked from Debian packages whose signatures were verified. */
  readonly tools: string;
  /** Everything in it can be recreated. */
  readonly cache: string;
  /** The machines' shares in the sessions of the host's TPM; created when a machine uses it. */
  readonly tpmSessions: string;
}

export function homeAt(directory: string): Home {
  return {
    directory,
    keys: join(directory, 'keys'),
    releases: join(directory, 'releases'),
    machines: join(directory, 'machines'),
    tools: join(directory, 'tools'),
    cache: join(directory, 'cache'),
    tpmSessions: join(directory, 'tpm-sessions'),
  };
}

/** The files of a machine. */
export interface MachinePaths {
  readonly directory: string;
  readonly configuration: string;
  readonly disk: string;
  /** The UEFI variable store. */
  readonly variables: string;
  /** Keys of both ends of the channel and credentials for the guest: mode 0700. */
  readonly secrets: string;
  /** State of the machine's virtual TPM and the key that encrypts it; created before the first start with it. */
  readonly tpm: string;
  /** Sockets and pid files of a running machine; created by its supervisor, removed when the machine is off. */
  readonly run: string;
  readonly supervisorSocket: string;
  /** Held by the supervisor for its lifetime. */
  readonly supervisorLock: string;
  readonly supervisorLog: string;
  readonly consoleLog: string;
  /** The time and the reason of the last crash; absent if there was none. */
  readonly lastCrash: string;
  /** Held during an update. */
  readonly updateLock: string;
  /** Held while the machine is changed; next to its directory, as it must outlive it. */
  readonly lock: string;
}

export function machinePaths(home: Home, name: MachineName): MachinePaths {
  return pathsIn(join(home.machines, name));
}

/** Returns where a deployment assembles a machine. No machine name begins with a dot. */
export function draftPaths(home: Home, name: MachineName): MachinePaths {
  return pathsIn(join(home.machines, `.${name}`));
}

/** Returns the paths of a machine in any directory. */
export function pathsIn(directory: string): MachinePaths {
  return {
    directory,
    configuration: join(directory, 'machine.json'),
    disk: join(directory, 'disk.qcow2'),
    variables: join(directory, 'variables.fd'),
    secrets: join(directory, 'secrets'),
    tpm: join(directory, 'tpm'),
    run: join(directory, 'run'),
    supervisorSocket: join(directory, 'run', 'supervisor.sock'),
    supervisorLock: join(directory, 'supervisor.lock'),
    supervisorLog: join(directory, 'supervisor.log'),
    consoleLog: join(directory, 'console.log'),
    lastCrash: join(directory, 'last-crash'),
    updateLock: join(directory, 'update.lock'),
    lock: `${directory}.lock`,
  };
}
