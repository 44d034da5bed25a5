import { readFile } from 'node:fs/promises';
import type { ServiceManager } from './autostart.ts';

/** How a process is started outside of the unit of its parent, whose end would be its own. */
export interface OwnScope {
  /** Put before the command. It becomes the command, in a scope of its own: systemd-run(1). */
  readonly prefix: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Returns the way to a scope of its own for a process that this one starts; undefined: there is none, or it is not needed. At its end
 * systemd sends SIGTERM to all processes in the scope, and SIGKILL two minutes later. The scope of a user without lingering would
 * end at the logout, which a session's processes outlive.
 */
export async function ownScope(
  description: string,
  manager: ServiceManager,
  cgroups: string,
): Promise<OwnScope | undefined> {
  if (!(await manager.isRunning()) || manager.runtime === undefined) return undefined;
  const isUser = manager.scope === 'user';
  if (isUser && !isInUserManager(cgroups) && !(await manager.isLingering())) return undefined;
  const options = ['--scope', '--quiet', '--collect', '--property=TimeoutStopSec=120'];
  return {
    prefix: ['systemd-run', ...(isUser ? ['--user'] : []), ...options, `--description=${description}`, '--'],
    environment: isUser ? { XDG_RUNTIME_DIR: manager.runtime } : {},
  };
}

/** Returns the control groups of this process: proc_pid_cgroup(5). */
export async function ownCgroups(): Promise<string> {
  return readFile('/proc/self/cgroup', 'utf8').catch(() => '');
}

/**
 * Returns the service that a process belongs to, whose end is that of the process; undefined when it belongs to a scope, to its
 * machine's own service, or to none. Pure.
 * @param cgroups the content of proc_pid_cgroup(5).
 */
export function serviceOf(cgroups: string): string | undefined {
  const unit = unitsOf(cgroups).at(-1);
  return unit?.endsWith('.service') && !/^(?:holdfast|user)@/.test(unit) ? unit : undefined;
}

function isInUserManager(cgroups: string): boolean {
  return unitsOf(cgroups).some((unit) => unit.startsWith('user@'));
}

/** Returns the units of systemd around a process, the outermost first. */
function unitsOf(cgroups: string): readonly string[] {
  const [, path = ''] = /^(?:0:|\d+:name=systemd):(.*)$/m.exec(cgroups) ?? [];
  return path.split('/').filter((part) => /\.(?:service|scope)$/.test(part));
}
