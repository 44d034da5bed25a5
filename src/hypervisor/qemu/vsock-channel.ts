import { readdir, readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { failure, type HoldfastError, isFailure, isSystemError } from '../../base/errors.ts';
import { isRunning, type ProcessEntry } from '../../base/process-table.ts';

/** How long vhost-device-vsock may lag behind QEMU in starting the device: some tens of milliseconds on a busy host. */
const settleMs = 500;

/** Whether the daemon runs, and the thread in it that moves packets. */
export type DaemonState = 'gone' | 'idle' | 'working';

/** What the channel works with: handed in, so that tests need no machine. */
export interface VsockParts {
  /** Whether the guest has a driver, as QEMU sees it. */
  isStarted(): Promise<boolean>;
  daemon(): Promise<DaemonState>;
  /** Connects to the SSH server. */
  open(): Promise<Duplex>;
  now(): number;
}

/**
 * The way to the guest through vhost-device-vsock 0.3.0, which has a weakness: its only worker ends, for good and in
 * silence, when a client comes or goes while the device is stopped (`process_tx` fails on a queue that is not ready). So
 * nobody may connect before the device has started; and if it happened all the same, it must be noticed.
 */
export class VsockChannel {
  readonly #parts: VsockParts;
  #startedAt: number | undefined;
  #wasWorking = false;
  #wasSilent = false;

  constructor(parts: VsockParts) {
    this.#parts = parts;
  }

  /** @throws HoldfastError `channel.refused`, `channel.timeout`; `vsock.gone` when no later try can succeed. */
  async connect(): Promise<Duplex> {
    await this.#checkDaemon();
    if (!(await this.#isReady())) throw notBooted();
    try {
      return await this.#parts.open();
    } catch (error) {
      // a guest that nobody serves is refused at once, however busy
      this.#wasSilent = isFailure(error, 'channel.timeout');
      throw error;
    }
  }

  async #checkDaemon(): Promise<void> {
    const state = await this.#parts.daemon();
    if (state === 'working') this.#wasWorking = true;
    // a later version may name its threads otherwise: then its silence must tell
    else if (state === 'gone' || this.#wasWorking || this.#wasSilent) throw channelGone();
  }

  async #isReady(): Promise<boolean> {
    const { isStarted, now } = this.#parts;
    this.#startedAt = (await isStarted()) ? (this.#startedAt ?? now()) : undefined;
    return this.#startedAt !== undefined && now() - this.#startedAt >= settleMs;
  }
}

/** How the daemon is: proc_pid_task(5). */
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
  return failure('channel.refused', 'the machine has not booted so far', {
    why: 'its kernel does not serve the channel yet',
    next: 'wait; the console log shows what it is doing',
  });
}

function channelGone(): HoldfastError {
  return failure('vsock.gone', 'the channel to the machine is lost until the machine is restarted', {
    why: 'vhost-device-vsock has failed, and QEMU cannot be given another',
    next: 'run `holdfast restart`',
  });
}
