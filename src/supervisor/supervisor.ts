import { setTimeout as sleep } from 'node:timers/promises';
import { describe, failure } from '../base/errors.ts';
import { until } from '../base/until.ts';
import type { ChannelName } from '../channel/channels.ts';
import type { StartCommand } from '../channel/guest.ts';
import type { Session } from '../channel/session.ts';
import type { DiskExport, MachineProgram } from '../hypervisor/hypervisor.ts';
import { BootLoop } from './boot-loop.ts';
import type { SupervisorParts } from './parts.ts';
import type { SupervisorState } from './reducer.ts';
import { shutDown } from './shutdown.ts';
import { isOff, type MachineState } from './state.ts';

/** What a supervisor reports about its machine. */
export interface SupervisorStatus {
  readonly state: MachineState;
  /** Of the machine's process; absent while it is being started. */
  readonly pid?: number | undefined;
  readonly startedAt?: Date | undefined;
  readonly accelerator?: string | undefined;
  /** The programs that it has, or had last. */
  readonly programs?: readonly MachineProgram[] | undefined;
  /** While it boots: why the channel did not answer the last time. */
  readonly channelProblem?: string | undefined;
  /** The problem of this start, or why there is no other. Untrusted text of the guest, in one line. */
  readonly problem?: string | undefined;
  /** The service whose end shuts the machine down. */
  readonly endsWith?: string | undefined;
}

/** How a supervisor's work ends: with the machine, or by leaving it to the next supervisor. */
export type SupervisorEnd = 'stopped' | 'failed' | 'left';

/** How long a signal may take to reach the machine's process, too: milliseconds. */
const askedWithin = { within: 3000, every: 100 };

/** Owns one running machine and its session. */
export interface Supervisor {
  status(): SupervisorStatus;
  /** The session of the management channel, while there is one. */
  session(): Session | undefined;
  /** Opens the session of the user channel, or returns the open one; undefined while no machine runs. */
  userSession(): Promise<Session | undefined>;
  /** Returns a function that starts a client's commands over a channel whose session is `first`. */
  commands(channel: ChannelName, first: Session): StartCommand;
  /** Resolves when the machine's process runs. @throws what the hypervisor throws, or `machine.not-running`. */
  readonly started: Promise<void>;
  /**
   * Shuts the guest down, or with `force` ends it at once. Resolves when it is off.
   * @throws HoldfastError `machine.stop-timeout` when the guest did not shut down in time; it is left running.
   */
  stop(options: { force: boolean }): Promise<void>;
  /**
   * Shuts the guest down as `stop` does, and ends it at a limit: the host itself shuts down, or a service manager does not wait. A
   * supervisor that only looked for its machine leaves it, unless the machine's process was asked to end, too.
   */
  terminate(): Promise<void>;
  /** Serves the machine's disk until the export is closed. @throws HoldfastError `machine.not-running`. */
  exportDisk(): Promise<DiskExport>;
  /** Leaves the machine running without this supervisor. */
  leave(): Promise<void>;
  readonly ended: Promise<SupervisorEnd>;
}

/**
 * Takes charge of a machine: finds the one that runs, or starts it.
 * @param mode `adopt` only looks for one that runs.
 */
export function supervise(parts: SupervisorParts, mode: 'start' | 'adopt'): Supervisor {
  const { log, terminateDeadline = 75_000 } = parts;
  const report = (error: unknown) => log(`not shut down: ${describe(error)}`);
  const loop = new BootLoop(parts, mode, () => void supervisor.terminate().catch(report));
  const left = Promise.withResolvers<void>();
  const ended = Promise.race([loop.run(), left.promise]).then(() => endOf(loop));
  const off = ended.then(() => true as const);
  let shuttingDown: Promise<void> | undefined;
  let stoppingSince: number | undefined;
  const supervisor: Supervisor = {
    status: () => ({ ...statusOf(loop, stoppingSince), endsWith: parts.endsWith }),
    session: () => loop.session(),
    userSession: () => loop.userSession(),
    commands: (channel, first) => loop.commands(channel, first),
    started: loop.started,
    async stop({ force }) {
      const isStarted = await loop.started.then(
        () => true,
        () => false,
      );
      if (!isStarted) return;
      if (force) {
        loop.happen({ type: 'stop', force });
        await loop.machine?.kill();
      } else {
        stoppingSince ??= performance.now();
        shuttingDown ??= shutDown(parts, loop, off).finally(() => {
          shuttingDown = stoppingSince = undefined;
        });
        await shuttingDown;
      }
      await ended;
    },
    async terminate() {
      // found, not started: this process may belong to another job, which ends without the machine
      if (mode === 'adopt' && !(await until(askedWithin, () => loop.isAskedToEnd))) return supervisor.leave();
      const isStopped = supervisor.stop({ force: false }).then(() => true, report);
      if (await Promise.race([isStopped, sleep(terminateDeadline, false, { ref: false })])) return;
      log('the guest is ended: its time to shut down is over');
      await supervisor.stop({ force: true });
    },
    async exportDisk() {
      await loop.started;
      if (loop.machine) return loop.machine.exportDisk();
      throw failure('machine.not-running', `the machine '${parts.machine.name}' does not run`);
    },
    async leave() {
      await loop.started;
      parts.log('leaving; the machine continues to run');
      await loop.leave();
      left.resolve();
    },
    ended,
  };
  return supervisor;
}

function endOf({ state }: BootLoop): SupervisorEnd {
  if (state.isLeft) return 'left';
  return state.power === 'failed' ? 'failed' : 'stopped';
}

function statusOf({ state, machine }: BootLoop, stoppingSince: number | undefined): SupervisorStatus {
  return {
    state: state.power,
    pid: machine?.pid,
    startedAt: machine?.startedAt,
    accelerator: machine?.accelerator,
    channelProblem: channelProblemOf(state),
    programs: machine?.programs,
    problem: state.gaveUp ?? lostText(state) ?? state.problem?.text ?? slowText(state, stoppingSince),
  };
}

function lostText({ lost, power }: BootLoop['state']): string | undefined {
  if (lost === undefined || isOff({ state: power })) return undefined;
  return `${lost} has ended unexpectedly: the machine is restarted`;
}

/** A guest that hangs while it shuts down says nothing itself. */
function slowText({ power }: SupervisorState, since: number | undefined): string | undefined {
  const seconds = Math.round((performance.now() - (since ?? Number.NaN)) / 1000);
  if (power !== 'stopping' || !(seconds >= 20)) return undefined;
  return `it was asked to shut down ${seconds} s ago, and has not; \`holdfast stop --force\` ends it at once`;
}

/** A channel that has answered in this start does not end by itself: root in the guest has ended it, or the guest hangs. */
function channelProblemOf({ channelProblem, hasAnswered, power }: SupervisorState): string | undefined {
  if (!hasAnswered || power !== 'booting') return channelProblem;
  const why = channelProblem === undefined ? '' : `: ${channelProblem}`;
  return `the management channel was ended in the guest${why}; \`holdfast restart\` opens it again`;
}
