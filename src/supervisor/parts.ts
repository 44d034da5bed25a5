import type { Duplex } from 'node:stream';
import type { ChannelName } from '../channel/channels.ts';
import type { Session } from '../channel/session.ts';
import type { MachineHardware, MachineRunner } from '../hypervisor/hypervisor.ts';
import type { ConsoleProblem } from './console-log.ts';
import type { RestartPolicy } from './reducer.ts';

/** The supervisor's dependencies: passed in, so that tests need no machine. */
export interface SupervisorParts {
  readonly hypervisor: MachineRunner;
  readonly machine: Pick<MachineHardware, 'name' | 'run' | 'consoleLog'>;
  /** The service of systemd whose end is that of the supervisor and its machine; undefined: none, or the machine's own. */
  readonly endsWith?: string | undefined;
  /** Called before each start: prepares the machine, and returns its hardware. */
  readonly prepare: () => Promise<MachineHardware>;
  /** Called after each start, also one that failed: deletes the keys that were passed for that start alone. */
  readonly handedOver: () => Promise<void>;
  /** Called when the guest answers: its initrd has carried out what `prepare` passed to it. */
  readonly answered: () => Promise<void>;
  /** Whether `prepare` prepared a single start of a slot, after which the firmware returns to the committed one. */
  readonly isSingleStart: () => Promise<boolean>;
  /** Makes the next start one of the slot that is second in the boot order; false when there is none. */
  readonly fallBack: () => Promise<boolean>;
  /** Records why a machine has ended that nobody ended. */
  readonly crashed: (reason: string) => Promise<void>;
  /** Returns the problem that the guest's console shows for the current start. */
  readonly readProblem: () => Promise<ConsoleProblem | undefined>;
  readonly openSession: (stream: Duplex, channel: ChannelName) => Promise<Session>;
  /** Writes a line to the log. */
  readonly log: (line: string) => void;
  /** How long a clean shutdown may take, and how often it is requested: milliseconds. */
  readonly stopDeadline?: number;
  readonly askEvery?: number;
  /** How long a clean shutdown may take that a signal requested: service managers send SIGKILL after 90 seconds (milliseconds). */
  readonly terminateDeadline?: number;
  /** How often the console of a guest that boots is read, and of one that runs a fifth as often: milliseconds. */
  readonly lookEvery?: number;
  readonly pauseAfter?: RestartPolicy;
}
