import { describe } from '../base/errors.ts';
import type { Listener, MachineRunner, RunningMachine } from '../hypervisor/hypervisor.ts';
import { Broker } from '../tpm/broker/broker.ts';
import { flush } from '../tpm/broker/connection.ts';
import { sharesIn } from '../tpm/broker/session-shares.ts';
import { hostTpm } from '../tpm/host/host-tpm.ts';

/** The vsock port on which the host serves its TPM to the guest. */
export const tpmPort = 2321;

/** The time limit for flushing the sessions of a supervisor that died, in milliseconds. */
const flushLimit = 30_000;

interface OpenAccess {
  readonly path: string;
  readonly machine: RunningMachine;
  readonly broker: Broker;
  readonly listener: Listener;
}

/** A running machine's access to the host's TPM: open while the machine runs and its configuration allows it. */
export class TpmAccess {
  readonly #readPath: () => Promise<string | undefined>;
  readonly #sessions: string;
  readonly #log: (line: string) => void;
  #machine: RunningMachine | undefined;
  #open: OpenAccess | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param readPath reads the path of the host's TPM from the configuration; undefined: no access.
   * @param sessions the directory in which the machines of a home share the sessions of that TPM.
   */
  constructor(readPath: () => Promise<string | undefined>, sessions: string, log: (line: string) => void) {
    this.#readPath = readPath;
    this.#sessions = sessions;
    this.#log = log;
  }

  /** Wraps a hypervisor: its machines have this access from their start or adoption to their end. */
  through(hypervisor: MachineRunner): MachineRunner {
    const attach = <Machine extends RunningMachine | undefined>(machine: Machine): Machine => {
      if (machine) this.#attach(machine);
      return machine;
    };
    return {
      start: async (hardware) => attach(await hypervisor.start(hardware)),
      adopt: async (hardware) => attach(await hypervisor.adopt(hardware)),
    };
  }

  /** Opens or closes the access according to the current configuration. @throws HoldfastError `channel.no-vsock`. */
  refresh(): Promise<void> {
    const done = this.#last.then(() => this.#settle());
    this.#last = done.catch((error: unknown) => this.#log(`not opened: ${describe(error)}`));
    return done;
  }

  /** Closes the access, and flushes the objects of the guest from the TPM. */
  async close(): Promise<void> {
    this.#machine = undefined;
    await this.refresh();
  }

  #attach(machine: RunningMachine): void {
    this.#machine = machine;
    void this.refresh().catch(() => {}); // logged
    const detach = () => {
      if (this.#machine === machine) void this.close().catch(() => {});
    };
    machine.ended.then(detach, detach);
  }

  async #settle(): Promise<void> {
    const machine = this.#machine;
    const path = machine && (await this.#readPath());
    const open = this.#open;
    if (open?.path === path && open?.machine === machine) return;
    this.#open = undefined;
    if (open) {
      await open.listener.close();
      await open.broker.close();
      this.#log(`${open.path} closed to the guest`);
    }
    if (!machine || path === undefined) return;
    const tpm = hostTpm(path);
    const shares = sharesIn(this.#sessions, `process ${process.pid}`, (handles) =>
      flush(tpm, handles, () => {}, flushLimit),
    );
    const broker = new Broker({ tpm, log: this.#log, shares });
    const listener = await machine.listen(tpmPort, (stream) => broker.accept(stream));
    this.#open = { path, machine, broker, listener };
    this.#log(`${path} open to the guest`);
  }
}
