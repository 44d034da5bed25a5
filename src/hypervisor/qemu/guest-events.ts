import * as z from 'zod';
import type { MachineEnd } from '../hypervisor.ts';
import type { Qmp, QmpEvent } from './qmp.ts';

/** The pause before a guest retries a write that did not fit on the host's disk, in milliseconds. */
const diskFullPause = 5000;
/** The time limit for a guest's shutdown before a restart, in milliseconds. */
const restartPatience = 30_000;
/** The time limit for QEMU's end after a reset, in milliseconds. */
const resetPatience = 5000;

const shutdownEvent = z.object({ reason: z.string() });
const writeFailedEvent = z.object({ action: z.literal('stop') });
const nothing = z.object({});

/** QEMU's events about the guest: QMP reference, `SHUTDOWN`, `ShutdownCause`, `WATCHDOG` and `BLOCK_IO_ERROR`. */
export class GuestEvents {
  #end: MachineEnd = 'killed';
  #restarting = false;
  #hung = false;
  #qmp: Qmp | undefined;

  /** Why QEMU ends, according to its events so far. */
  get end(): MachineEnd {
    return this.#restarting ? 'reboot' : this.#end;
  }

  /** The handler for QMP, whose first event can precede everything else. */
  readonly onEvent = ({ name, data }: QmpEvent): void => {
    if (name === 'BLOCK_IO_ERROR' && writeFailedEvent.safeParse(data).success) this.#resumeLater();
    if (name === 'WATCHDOG') this.#hung = true; // the guest is reset next
    if (name !== 'SHUTDOWN') return;
    const reason = shutdownEvent.safeParse(data).data?.reason;
    if (reason === 'guest-shutdown') this.#end = 'shutdown';
    else if (reason === 'guest-reset' || reason === 'host-qmp-system-reset')
      this.#end = this.#hung ? 'hang' : 'reboot';
  };

  /** Attends to the guest from now on. Resumes one that was paused while there was no supervisor. */
  async attend(qmp: Qmp): Promise<void> {
    this.#qmp = qmp;
    const { status } = await qmp.execute('query-status', {}, z.object({ status: z.string() }));
    if (status === 'io-error') this.#resumeLater();
  }

  /**
   * Shuts the guest down, resets it when it does not react, and ends QEMU when that does not react either. All count as a
   * reboot.
   * @param kill ends QEMU.
   */
  restart(kill: () => void): void {
    if (this.#restarting || this.#end !== 'killed') return; // it ends already
    this.#restarting = true;
    this.#order('system_powerdown');
    setTimeout(() => this.#order('system_reset'), restartPatience).unref();
    setTimeout(kill, restartPatience + resetPatience).unref();
  }

  /** QEMU pauses a guest when the host's disk is full. Resuming retries the write. */
  #resumeLater(): void {
    setTimeout(() => this.#order('cont'), diskFullPause).unref();
  }

  #order(command: string): void {
    this.#qmp?.execute(command, {}, nothing).catch(() => {}); // QEMU may have ended, which is noticed elsewhere
  }
}
