import { readdir, readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { failure, type HoldfastError, isFailure, isSystemError } from '../../base/errors.ts';
import { isRunning, type ProcessEntry } from '../../base/process-table.ts';

/** The delay of vhost-device-vsock behind QEMU when a device starts: some tens of milliseconds on a busy host. */
const settleMs = 500;

/** Whether the daemon runs, and its thread that moves packets. */
export type DaemonState = 'gone' | 'idle' | 'working';

/** The channel's dependencies: parameters, so that tests need no machine. */
export interface VsockParts {
  /** Returns whether the guest has a driver, according to QEMU. */
  isStarted(): Promise<boolean>;
  daemon(): Promise<DaemonState>;
  /** Connects to a port of the guest. */
  open(port: number): Promise<Duplex>;
  now(): number;
}

/**
 * The way to the guest's channels through vhost-device-vsock 0.3.0, which has a defect: its only worker ends silently when a client
 * connects or disconnects while the device is stopped (`process_tx` fails on a queue that is not ready). So no client may
 * connect before the device has started, and a worker that has ended must be detected.
 */
export class VsockChannel {
  readonly #parts: VsockParts;
  #startedAt: number | undefined;
  #wasWorking = false;
  #wasSilent = false;

  constructor(parts: VsockParts) {
    this.#parts = parts;
  }

  /** @throws HoldfastError `channel.refused`, `channel.timeout`; `vsock.gone` when no later attempt can succeed. */
  async connect(port: number): Promise<Duplex> {
    await this.#checkDaemon();
    if (!(await this.#isReady())) throw notBooted();
    try {
      return await this.#parts.open(port);
    } catch (error) {
      // without a server in the guest the connection is refused at once, even on a busy host
      this.#wasSilent = isFailure(error, 'channel.timeout');
      throw error;
    }
  }

  async #checkDaemon(): Promise<void> {
    const state = await this.#parts.daemon();
    if (state === 'working') this.#wasWorking = true;
    // a later version may use other thread names: then only a timeout shows it
    else if (state === 'gone' || this.#wasWorking || this.#wasSilent) throw channelGone();
  }

  async #isReady(): Promise<boolean> {
    const { isStarted, now } = this.#parts;
    this.#startedAt = (await isStarted()) ? (this.#startedAt ?? now()) : undefined;
    return this.#startedAt !== undefined && now() - this.#startedAt >= settleMs;
  }
}

/** Returns the daemon's state: proc_pid_task(5). */
export async function daemonState(daemon: ProcessEntry | undefined): Promise<DaemonState> {
  if (!daemon || !(await isRunning(daemon))) return 'gone';
  try {
    const tasks = `/proc/${daemon.pid}/task`;
    const names = (await readdir(tasks)).map((id) => readFile(`${tasks}/${id}/comm`, 'utf8'));
    return (await Promise.all(names)).includes('vring_worker\n') ? 'working' : 'idle';
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ESRCH')) return 'gone';
    throw error;
  }
}

export function notBooted(): HoldfastError {
  return failure('channel.refused', 'the machine has not booted yet', {
    why: 'its kernel has not started the channel',
    next: 'wait; the console log shows what it is doing',
  });
}

function channelGone(): HoldfastError {
  return failure('vsock.gone', 'the channel to the machine is lost until a restart', {
    why: 'vhost-device-vsock has failed, and a running QEMU cannot use another',
    next: 'run `holdfast restart`',
  });
}
