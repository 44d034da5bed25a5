import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { failure, isSystemError } from '../../base/errors.ts';
import { exists, makeDirectory, writeFileAtomic } from '../../base/files.ts';
import { run } from '../../base/process.ts';
import { entryPoint } from '../../base/project.ts';
import type { Machine } from '../../machine/machine.ts';
import type { MachineName } from '../../machine/paths.ts';
import { homeLine, type UnitParts, unitName, unitText } from './unit.ts';

/** The service manager of this host: of root, or of the user. */
export interface ServiceManager {
  readonly scope: UnitParts['scope'];
  /** Directory of its unit files. */
  readonly unitDirectory: string;
  /** The runtime directory with its socket; undefined when it cannot be reached. */
  readonly runtime: string | undefined;
  /** Returns whether the service manager is running. */
  isRunning(): Promise<boolean>;
  /** Returns whether its services run without a login; always true for root. */
  isLingering(): Promise<boolean>;
  systemctl(...args: readonly string[]): Promise<void>;
}

/** Returns this user's service manager. */
export function hostServiceManager(environment: NodeJS.ProcessEnv = process.env): ServiceManager {
  // sd_booted(3)
  const isRunning = () => exists('/run/systemd/system');
  if (process.getuid?.() === 0) {
    return {
      scope: 'system',
      unitDirectory: '/etc/systemd/system',
      runtime: reachable('/run'),
      isRunning,
      isLingering: async () => true,
      systemctl: async (...args) => void (await run('systemctl', args)),
    };
  }
  return {
    scope: 'user',
    // cron and some services do not set the variable: pam_systemd(8)
    runtime: reachable(environment.XDG_RUNTIME_DIR || `/run/user/${process.getuid?.()}`),
    unitDirectory: join(environment.XDG_CONFIG_HOME || join(homedir(), '.config'), 'systemd/user'),
    isRunning,
    isLingering: () => exists(join('/var/lib/systemd/linger', userInfo().username)),
    systemctl: async (...args) => void (await run('systemctl', ['--user', ...args])),
  };
}

function reachable(runtime: string): string | undefined {
  return existsSync(join(runtime, 'systemd/private')) ? runtime : undefined;
}

/** Returns the command that supervises a machine in the foreground. */
export function supervisorCommand(name: MachineName, mode: 'start' | 'adopt'): readonly string[] {
  return [process.execPath, entryPoint('supervisor/main'), mode, name];
}

/** Returns whether the machine starts with the host. Derived from the unit file, as systemd does. */
export async function isAutostarted(machine: Machine, manager: ServiceManager): Promise<boolean> {
  const text = await unitFile(machine.name, manager);
  return text?.split('\n').includes(homeLine(machine.home.directory)) ?? false;
}

/**
 * Enables the start of the machine with the host. Does not start it now.
 * @returns false when nothing changed.
 * @throws HoldfastError `autostart.systemd`, `autostart.linger`, `autostart.taken`.
 */
export async function enableAutostart(machine: Machine, manager: ServiceManager): Promise<boolean> {
  await requireSystemd(manager);
  if (!(await manager.isLingering())) {
    throw failure('autostart.linger', 'cannot enable autostart: your services start only when you log in', {
      why: 'lingering is disabled for your user',
      next: `run \`sudo loginctl enable-linger ${userInfo().username}\`, and try again`,
    });
  }
  const path = join(manager.unitDirectory, unitName(machine.name));
  const existing = await unitFile(machine.name, manager);
  if (existing !== undefined && !(await isAutostarted(machine, manager))) {
    throw failure('autostart.taken', `${unitName(machine.name)} belongs to another machine`, {
      why: `${path} names another HOLDFAST_HOME`,
      next: 'use another machine name, or disable autostart of the other machine',
    });
  }
  const text = unitText({
    name: machine.name,
    home: machine.home.directory,
    command: supervisorCommand(machine.name, 'start'),
    path: process.env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    scope: manager.scope,
  });
  await makeDirectory(manager.unitDirectory);
  if (existing !== text) await writeFileAtomic(path, text);
  await manager.systemctl('daemon-reload');
  await manager.systemctl('enable', unitName(machine.name));
  return existing !== text;
}

/**
 * Disables the start of the machine with the host. Does not stop it. Works without systemd.
 * @returns false when nothing changed.
 */
export async function disableAutostart(machine: Machine, manager: ServiceManager): Promise<boolean> {
  if (!(await isAutostarted(machine, manager))) return false;
  await manager.systemctl('disable', unitName(machine.name));
  await rm(join(manager.unitDirectory, unitName(machine.name)), { force: true });
  if (await manager.isRunning()) await manager.systemctl('daemon-reload');
  return true;
}

async function unitFile(name: MachineName, manager: ServiceManager): Promise<string | undefined> {
  try {
    return await readFile(join(manager.unitDirectory, unitName(name)), 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function requireSystemd(manager: ServiceManager): Promise<void> {
  if (await manager.isRunning()) return;
  throw failure('autostart.systemd', 'cannot enable autostart', {
    why: 'systemd is not running on this host',
    next: 'have your service manager run `holdfast start` when the host starts',
  });
}
