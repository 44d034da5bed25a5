import { z } from 'zod';
import type { MachineEnd } from '../hypervisor.ts';
import type { Qmp, QmpEvent } from './qmp.ts';

/** How long a guest rests whose write did not fit on the host's disk: milliseconds. */
const diskFullPause = 5000;
/** How long a guest may take to shut down that is to be restarted: milliseconds. */
const restartPatience = 30_000;

const shutdownEvent = z.object({ reason: z.string() });
const writeFailedEvent = z.object({ action: z.literal('stop') });
const nothing = z.object({});

/** What QEMU says of the guest: QMP reference, `SHUTDOWN`, `ShutdownCause`, `WATCHDOG` and `BLOCK_IO_ERROR`. */
export class GuestEvents {
  #end: MachineEnd = 'killed';
  #restarting = false;
  #hung = false;
  #qmp: Qmp | undefined;

  /** Why QEMU ends, as far as it has said. */
  get end(): MachineEnd {
    return this.#restarting && this.#end === 'shutdown' ? 'reboot' : this.#end;
  }

  /** Given to QMP, whose first event may come before anything else. */
  readonly onEvent = ({ name, data }: QmpEvent): void => {
    if (name === 'BLOCK_IO_ERROR' && writeFailedEvent.safeParse(data).success) this.#resumeLater();
    if (name === 'WATCHDOG') this.#hung = true; // resets the guest at once
    if (name !== 'SHUTDOWN') return;
    const reason = shutdownEvent.safeParse(data).data?.reason;
    if (reason === 'guest-shutdown') this.#end = 'shutdown';
    else if (reason === 'guest-reset' || reason === 'host-qmp-system-reset')
      this.#end = this.#hung ? 'hang' : 'reboot';
  };

  /** Begins to look after the guest, also after one that was paused while nobody did. */
  async attend(qmp: Qmp): Promise<void> {
    this.#qmp = qmp;
    const { status } = await qmp.execute('query-status', {}, z.object({ status: z.string() }));
    if (status === 'io-error') this.#resumeLater();
  }

  /** Has the guest shut down, or resets it when it does not hear; either counts as a reboot. */
  restart(): void {
    if (this.#restarting) return;
    this.#restarting = true;
    this.#order('system_powerdown');
    setTimeout(() => this.#order('system_reset'), restartPatience).unref();
  }

  /** QEMU pauses a guest when the host's disk is full; going on tries the write again. */
  #resumeLater(): void {
    setTimeout(() => this.#order('cont'), diskFullPause).unref();
  }

  #order(command: string): void {
    this.#qmp?.execute(command, {}, nothing).catch(() => {}); // QEMU may be gone, which others notice
  }
}
