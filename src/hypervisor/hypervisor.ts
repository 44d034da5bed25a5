import type { Duplex } from 'node:stream';
import type { HostCheck } from '../base/host-check.ts';
import type { Bytes } from '../base/size.ts';
import type { ChannelName } from '../channel/channels.ts';
import type { DiskImages } from '../disk/image.ts';
import type { HostPackage } from '../distribution/distribution.ts';
import type { Protection } from '../sandbox/protection.ts';
import type { TpmState } from '../tpm/virtual/swtpm.ts';

export type Transport = 'vsock' | 'tcp';

/** The hardware of one machine, and its files. All paths are absolute. */
export interface MachineHardware {
  /** Shown in process lists. */
  readonly name: string;
  /** Product UUID of its firmware and MAC address of its network interface; undefined: the hypervisor's, the same for all. */
  readonly identity?: { readonly uuid: string; readonly mac: string };
  readonly cpus: number;
  readonly memory: Bytes;
  /** In the hypervisor's own format (`Hypervisor.images`), read and written. */
  readonly disk: string;
  /** The file with the unchanged parts of the disk, only read; undefined: the disk has none. */
  readonly base: string | undefined;
  /** UEFI variable store, read and written by the firmware. */
  readonly variables: string;
  /** systemd credentials for the guest: name to the file (mode 0600) with its content. Never in argv. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly transport: Transport;
  /** The machine's own TPM 2.0; undefined: it has none. */
  readonly tpm: TpmState | undefined;
  /** Directory for sockets, whose names have at most `longestSocketName` bytes, and log files. */
  readonly run: string;
  /** The guest's serial console is appended here. */
  readonly consoleLog: string;
}

/**
 * Why a machine's process ended. `shutdown`: the guest powered off. `reboot`: the guest reset itself, and the supervisor
 * must start it again. `hang`: the same, by its watchdog. `killed`: the process ended without a message.
 */
export type MachineEnd = 'shutdown' | 'reboot' | 'hang' | 'killed';

/** One of the programs of a running machine. */
export interface MachineProgram {
  readonly program: string;
  /** Undefined: it has ended. */
  readonly pid: number | undefined;
  /** Whether a signal has stopped it; undefined: no. */
  readonly isStopped?: true | undefined;
  /** What does not confine it. */
  readonly missing: readonly Protection[];
}

/** A port of the host that the guest may connect to. */
export interface Listener {
  /** Accepts no more connections; open ones continue. */
  close(): Promise<void>;
}

/** An NBD server for a machine's disk. */
export interface DiskExport {
  /** UNIX socket, private to its owner. */
  readonly socket: string;
  readonly name: string;
  close(): Promise<void>;
}

/** A machine whose processes outlive this one. */
export interface RunningMachine {
  readonly pid: number;
  readonly startedAt: Date;
  /** The accelerator in use, such as `kvm` or `tcg`. */
  readonly accelerator: string;
  /** The state of its programs, a second ago at most. The first is the hypervisor's process. */
  readonly programs: readonly MachineProgram[];
  /** Resolves with the name of a program whose end makes the machine unusable until a restart; never when all is well. */
  readonly lost: Promise<string>;
  /** Resolves when the machine's process was sent SIGTERM, which it does not act on: its guest is to be shut down. */
  readonly askedToEnd: Promise<void>;
  /** Resolves when the machine's process has ended. */
  readonly ended: Promise<MachineEnd>;
  /** Opens a stream to an SSH server of the guest, over the transport. Rejects until the guest listens. */
  connect(channel: ChannelName): Promise<Duplex>;
  /**
   * Lets the guest connect to a vsock port of the host, until the listener is closed.
   * @param take receives each connection. The guest may end its half and still wait for data: `destroy` ends it.
   * @throws HoldfastError `channel.no-vsock` when the machine has no vsock.
   */
  listen(port: number, take: (stream: Duplex) => void): Promise<Listener>;
  /** Asks the guest to shut down (ACPI power button). */
  powerDown(): Promise<void>;
  /** Shuts the guest down, or ends it when it does not react: the machine ends with `reboot`. */
  restart(): void;
  /** Lets the host read and write the disk while the guest uses it, until the export is closed. */
  exportDisk(): Promise<DiskExport>;
  /** Kills the processes and waits for their end. */
  kill(): Promise<void>;
  /** Releases the machine without ending it: the supervisor exits, the machine continues. */
  release(): void;
}

/** Starts machines and finds them again. */
export interface MachineRunner {
  /** Starts the machine in a session of its own: its processes outlive the caller. */
  start(hardware: MachineHardware): Promise<RunningMachine>;
  /** Returns the machine that an earlier supervisor started; undefined when none runs. */
  adopt(hardware: Pick<MachineHardware, 'run' | 'consoleLog'>): Promise<RunningMachine | undefined>;
}

/** One hypervisor. */
export interface Hypervisor extends MachineRunner {
  readonly name: string;
  /** The packages that it needs on the host. */
  readonly packages: readonly HostPackage[];
  /** The other checks of the host. */
  readonly checks: readonly HostCheck[];
  /** The empty UEFI variable store of its firmware, from which the store of a new machine is made. */
  readonly variablesTemplate: string;
  /** The format of its machines' disks. */
  readonly images: DiskImages;
  /** The log files that its processes write in a machine's run directory. */
  logFiles(run: string): readonly string[];
}
