import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { failure } from '../base/errors.ts';
import { start, started } from '../base/process.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { askStarted } from './client.ts';
import {
  hostServiceManager,
  isAutostarted,
  type ServiceManager,
  supervisorCommand,
} from './systemd/autostart.ts';
import { unitName } from './systemd/unit.ts';

/** How long a supervisor may take until it listens: milliseconds. */
const listensWithin = 30_000;

const pollEvery = 25;

/**
 * Starts a supervisor for a machine that has none, and waits until it has started the machine, or found it. It is systemd's
 * child when the machine comes up with the host, else a process in a session of its own.
 * @param mode `adopt` only looks for a machine that runs.
 * @throws HoldfastError why the machine could not be started, `supervisor.failed`, `supervisor.silent`.
 */
export async function launchSupervisor(
  layout: HomeLayout,
  name: MachineName,
  mode: 'start' | 'adopt',
  manager: ServiceManager = hostServiceManager(),
): Promise<void> {
  const { supervisorSocket, supervisorLog } = machineLayout(layout, name);
  const hasFailed = await spawnSupervisor(layout, name, mode, manager);
  for (let waited = 0; waited < listensWithin; waited += pollEvery) {
    const failed = hasFailed(); // looked at first, as it may answer and end in between
    if (await askStarted(supervisorSocket)) return;
    if (failed) {
      throw failure('supervisor.failed', `the supervisor of '${name}' could not do its work`, {
        why: await lastLine(supervisorLog),
        next: `see ${supervisorLog}`,
      });
    }
    await sleep(pollEvery);
  }
  throw failure('supervisor.silent', `the supervisor of '${name}' does not answer`, {
    why: `nobody listens at ${supervisorSocket}`,
    next: `see ${supervisorLog}`,
  });
}

/** @returns whether it has failed, as far as we can know: one that finds another in charge ends well. */
async function spawnSupervisor(
  layout: HomeLayout,
  name: MachineName,
  mode: 'start' | 'adopt',
  manager: ServiceManager,
): Promise<() => boolean> {
  if ((await manager.isRunning()) && (await isAutostarted(layout, name, manager))) {
    await manager.systemctl('start', unitName(name));
    return () => false;
  }
  const [program = '', ...args] = supervisorCommand(name, mode);
  const log = await open(machineLayout(layout, name).supervisorLog, 'a', 0o600);
  try {
    const child = start(program, args, {
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
      cwd: '/',
      env: { ...process.env, HOLDFAST_HOME: layout.home },
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
  return lines.at(-1) || 'it said nothing';
}
