import { createHash } from 'node:crypto';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { failure, isSystemError } from '../base/errors.ts';

/**
 * The user and group IDs of machines whose supervisor is root: one for each machine, without an account. Neither Debian nor
 * systemd assigns them (Debian Policy, section 9.2.2; systemd: docs/UIDS-GIDS.md), and their sign bit is clear.
 */
export const machineUsers = { first: 0x7000_0000, count: 0x10_0000 } as const;

export function isMachineUser(id: number): boolean {
  return id >= machineUsers.first && id < machineUsers.first + machineUsers.count;
}

/**
 * Returns the user of a machine that is off. The owner of its disk is the only record of it. A machine without one, or with one
 * that something else on the host has too, gets the first free one after a number that its path determines.
 * @throws HoldfastError `sandbox.user` when none is free.
 */
export async function machineUser(disk: string): Promise<number> {
  const others = await usersOfOthers(disk);
  const present = await ownerOf(disk);
  if (present !== undefined && isMachineUser(present) && (await isFree(present, others))) return present;
  const digest = createHash('sha256').update(resolve(disk)).digest();
  const start = digest.readUInt32BE(0) % machineUsers.count;
  for (let tried = 0; tried < 100; tried++) {
    const candidate = machineUsers.first + ((start + tried) % machineUsers.count);
    if (await isFree(candidate, others)) return candidate;
  }
  throw failure('sandbox.user', 'cannot give the machine a user of its own', {
    why: 'too many user IDs of the range for machines are in use',
    next: 'see which programs and accounts use them: docs/reference/sandbox.md names the range',
  });
}

/** Returns whether the kernel knows the IDs of machines: a container may have only some. */
export async function hasMachineUsers(): Promise<boolean> {
  const maps = await Promise.all(
    ['uid_map', 'gid_map'].map((file) => readFile(`/proc/self/${file}`, 'utf8')),
  );
  return maps.every((map) => covers(map, machineUsers.first, machineUsers.count));
}

/** Returns whether one line of an ID map covers all these IDs: user_namespaces(7). */
export function covers(map: string, first: number, count: number): boolean {
  return map.split('\n').some((line) => {
    const [inside = Number.NaN, , length = Number.NaN] = line.trim().split(/ +/).map(Number);
    return inside <= first && inside + length >= first + count;
  });
}

/** Returns the users of the other machines in the same home. */
async function usersOfOthers(disk: string): Promise<ReadonlySet<number>> {
  const machines = dirname(dirname(disk));
  const own = basename(dirname(disk));
  const names = (await readdir(machines)).filter((name) => name !== own);
  const owners = names.map((name) => ownerOf(join(machines, name, basename(disk))));
  return new Set((await Promise.all(owners)).filter((owner) => owner !== undefined));
}

/** Returns the owner of a file, also when it is a link; undefined when it does not exist. */
export async function ownerOf(path: string): Promise<number | undefined> {
  try {
    return (await lstat(path)).uid;
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

async function isFree(id: number, others: ReadonlySet<number>): Promise<boolean> {
  if (others.has(id) || (await accountIds()).has(id)) return false;
  return !(await hasProcesses(id));
}

/** Returns whether a process of this user runs: the kernel gives it the directory of the process. */
async function hasProcesses(id: number): Promise<boolean> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return (await Promise.all(processes.map((pid) => ownerOf(join('/proc', pid))))).includes(id);
}

/** Returns the IDs of the accounts and groups of this host: passwd(5), group(5). */
async function accountIds(): Promise<ReadonlySet<number>> {
  const files = await Promise.all(
    ['/etc/passwd', '/etc/group'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  return new Set(files.flatMap((text) => text.split('\n').map((line) => Number(line.split(':')[2]))));
}
