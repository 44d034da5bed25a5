import { open, readFile } from 'node:fs/promises';
import { failure } from '../base/errors.ts';
import { start, started } from '../base/process.ts';
import { until } from '../base/until.ts';
import type { Machine } from '../machine/machine.ts';
import { askStarted } from './client.ts';
import {
  hostServiceManager,
  isAutostarted,
  type ServiceManager,
  supervisorCommand,
} from './systemd/autostart.ts';
import { type OwnScope, ownCgroups, ownScope } from './systemd/scope.ts';
import { unitName } from './systemd/unit.ts';

/** How long a supervisor may take until it listens, and how often it is asked: milliseconds. */
const listening = { within: 30_000, every: 25 };

/**
 * Starts a supervisor for a machine that has none, and waits until it has started or found the machine. It is a child of
 * systemd when the machine starts with the host, else a process in a session of its own, and in a scope of its own where
 * systemd runs: it outlives the service, the cron job or the session that starts it.
 * @param mode `adopt` only looks for a running machine.
 * @throws HoldfastError why the machine could not be started, `supervisor.failed`, `supervisor.silent`.
 */
export async function launchSupervisor(
  machine: Machine,
  mode: 'start' | 'adopt',
  manager: ServiceManager = hostServiceManager(),
): Promise<void> {
  const { name, paths } = machine;
  const scope = await ownScope(`Holdfast machine ${name}`, manager, await ownCgroups());
  let hasFailed = await spawnSupervisor(machine, mode, manager, scope);
  let isRetried = scope === undefined;
  const isStarted = await until(listening, async () => {
    const failed = hasFailed(); // first, as it may answer and end in between
    if (await askStarted(machine)) return true;
    if (!failed) return false;
    if (!isRetried) {
      isRetried = true; // systemd may have refused the scope
      hasFailed = await spawnSupervisor(machine, mode, manager);
      return false;
    }
    throw failure('supervisor.failed', `the supervisor of '${name}' failed`, {
      why: await lastLine(paths.supervisorLog),
      next: `see ${paths.supervisorLog}`,
    });
  });
  if (isStarted) return;
  throw failure('supervisor.silent', `the supervisor of '${name}' does not answer`, {
    why: `no process listens at ${paths.supervisorSocket}`,
    next: `see ${paths.supervisorLog}`,
  });
}

/** @returns whether it has failed, as far as can be known: a supervisor that finds another one in charge exits with 0. */
async function spawnSupervisor(
  machine: Machine,
  mode: 'start' | 'adopt',
  manager: ServiceManager,
  scope: OwnScope | undefined = undefined,
): Promise<() => boolean> {
  if ((await manager.isRunning()) && (await isAutostarted(machine, manager))) {
    await manager.systemctl('start', unitName(machine.name));
    return () => false;
  }
  const [program = '', ...args] = [...(scope?.prefix ?? []), ...supervisorCommand(machine.name, mode)];
  const log = await open(machine.paths.supervisorLog, 'a', 0o600);
  try {
    const child = start(program, args, {
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
      cwd: '/',
      env: { ...process.env, ...scope?.environment, HOLDFAST_HOME: machine.home.directory },
    });
    await started(child, program);
    child.unref();
    return () => child.signalCode !== null || (child.exitCode ?? 0) !== 0;
  } finally {
    await log.close();
  }
}

async function lastLine(path: string): Promise<string> {
  const lines = (await readFile(path, 'utf8').catch(() => '')).trim().split('\n');
  return lines.at(-1) || 'it logged nothing';
}
