import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { failure, reasonOf } from '../base/errors.ts';
import type { Session } from '../channel/session.ts';
import { keepClock } from '../guest/clock-keeper.ts';
import type { DiskExport, MachineHardware, MachineRunner, RunningMachine } from '../hypervisor/hypervisor.ts';
import type { ConsoleProblem } from './console-log.ts';
import { type GuestConnection, keepConnected } from './guest-connection.ts';
import { failedStarts, pauseAfter } from './restart-policy.ts';
import { type MachineEvent, type MachineState, next } from './state.ts';

/** What the supervisor works with: handed in, so that tests need no machine. */
export interface SupervisorParts {
  readonly hypervisor: MachineRunner;
  readonly machine: Pick<MachineHardware, 'name' | 'run' | 'consoleLog'>;
  /** Called before each start: makes the machine ready, and says what to start. */
  readonly prepare: () => Promise<MachineHardware>;
  /** Called after each start, also one that failed: what was handed over for it alone is forgotten. */
  readonly handedOver: () => Promise<void>;
  /** Whether what `prepare` made ready is a single start of a slot, after which the firmware goes back to the committed one. */
  readonly isSingleStart: () => Promise<boolean>;
  /** Makes the next start one of the slot that is second in the order of boot; false when there is none. */
  readonly fallBack: () => Promise<boolean>;
  /** What the guest's console says is wrong with the start that is under way. */
  readonly readProblem: () => Promise<ConsoleProblem | undefined>;
  readonly openSession: (stream: Duplex) => Promise<Session>;
  /** Takes a line for the log. */
  readonly log: (line: string) => void;
  /** How long a clean shutdown may take, and how often it is asked for: milliseconds. */
  readonly stopDeadline?: number;
  readonly askEvery?: number;
  /** How often the console of a guest that boots is looked at: milliseconds. */
  readonly lookEvery?: number;
  /** How long to wait after so many failed starts in a row: milliseconds; undefined: for ever. */
  readonly pauseAfter?: (failed: number) => number | undefined;
}

/** What a supervisor says about its machine. */
export interface SupervisorStatus {
  readonly state: MachineState;
  /** Of the machine's process; absent while it is being started. */
  readonly pid?: number | undefined;
  readonly startedAt?: Date | undefined;
  readonly accelerator?: string | undefined;
  /** While it boots: why the channel did not answer the last time. */
  readonly channelProblem?: string | undefined;
  /** What went wrong in this start, or why there is no other. The guest's own words, in one line. */
  readonly problem?: string | undefined;
}

/** How a supervisor's work ends: with the machine, or by leaving it to the next supervisor. */
export type SupervisorEnd = 'stopped' | 'failed' | 'left';

/** Owns one running machine and its session. */
export interface Supervisor {
  status(): SupervisorStatus;
  session(): Session | undefined;
  /** Resolves when the machine's process runs. @throws what the hypervisor throws, or `machine.not-running`. */
  readonly started: Promise<void>;
  /**
   * Shuts the guest down, or with `force` ends it at once. Resolves when it is off.
   * @throws HoldfastError `machine.stop-timeout` when the guest did not shut down in time; it is left running.
   */
  stop(options: { force: boolean }): Promise<void>;
  /** Serves the machine's disk until the export is closed. @throws HoldfastError `machine.not-running`. */
  exportDisk(): Promise<DiskExport>;
  /** Lets go of the machine, which lives on. */
  leave(): Promise<void>;
  /** Does not resolve when the machine could not be started. */
  readonly ended: Promise<SupervisorEnd>;
}

/**
 * Takes charge of a machine: finds the one that runs, or starts it.
 * @param mode `adopt` only looks for one that runs.
 */
export function supervise(parts: SupervisorParts, mode: 'start' | 'adopt'): Supervisor {
  const { hypervisor, log } = parts;
  const { name } = parts.machine;
  const ended = Promise.withResolvers<SupervisorEnd>();
  let state: MachineState = 'starting';
  let machine: RunningMachine | undefined;
  let connection: GuestConnection | undefined;
  let channelProblem: string | undefined;
  let problem: ConsoleProblem | undefined;
  let gaveUp: string | undefined;
  let answered = false;
  let isSingleStart = true; // of one that was found, who knows
  let forced = false;
  let fellBack = false;
  let unwatch = () => {};
  const stopAsked = Promise.withResolvers<void>();
  let shuttingDown: Promise<void> | undefined;

  const happen = (event: MachineEvent) => {
    const before = state;
    state = next(state, event);
    if (state !== before) log(`${event}: ${state}${state === 'failed' && gaveUp ? `: ${gaveUp}` : ''}`);
  };

  const begin = async (): Promise<RunningMachine> => {
    const hardware = await parts.prepare();
    isSingleStart = await parts.isSingleStart();
    try {
      return await hypervisor.start(hardware);
    } finally {
      await parts.handedOver();
    }
  };

  const firstMachine = async (): Promise<RunningMachine> => {
    const found = await hypervisor.adopt(parts.machine);
    if (found) log(`found process ${found.pid}`);
    else if (mode === 'adopt') {
      throw failure('machine.not-running', `the machine '${name}' does not run`, {
        why: 'none of its processes was found',
        next: 'run `holdfast start`',
      });
    }
    return found ?? begin();
  };

  const look = async () => {
    try {
      problem = await parts.readProblem();
    } catch (error) {
      log(`console not read: ${reasonOf(error)}`);
    }
  };

  /** Ends a machine that its firmware refuses to start: it would wait for a key for ever. */
  const watchBoot = (running: RunningMachine) => {
    const timer = setInterval(async () => {
      if (state !== 'booting') return;
      await look();
      if (problem?.kind !== 'refused' || gaveUp !== undefined) return;
      gaveUp = `the firmware found nothing that it may start: ${problem.text}`;
      await running.kill();
    }, parts.lookEvery ?? 1000);
    unwatch = () => clearInterval(timer);
  };

  const takeCharge = (running: RunningMachine) => {
    log(`process ${running.pid} under ${running.accelerator}`);
    machine = running;
    problem = undefined;
    answered = false;
    happen('started');
    connection = keepConnected(async () => parts.openSession(await running.connect()), {
      connected: (session) => {
        channelProblem = undefined;
        answered = true;
        happen('connected');
        void look();
        keepClock(session, {
          checked: ({ offset, corrected }) => corrected && log(`clock was ${Math.round(offset)} ms off: set`),
          failed: (error) => log(`clock not checked: ${reasonOf(error)}`),
        });
      },
      disconnected: () => happen('disconnected'),
      failed: (reason) => {
        channelProblem = reason;
        log(`channel does not answer: ${reason}`);
      },
    });
  };

  /** How long to wait before another start; undefined: it is not worth one. The other slot has one of its own. */
  const pauseBefore = async (failed: number): Promise<number | undefined> => {
    if (failed === 0) fellBack = false;
    const pause = (parts.pauseAfter ?? pauseAfter)(failed);
    if (pause !== undefined || fellBack) return pause;
    fellBack = await parts.fallBack();
    return fellBack ? 0 : undefined;
  };

  /** Until the machine is off: each reboot of the guest ends a machine and needs the next. */
  const attend = async (first: RunningMachine): Promise<SupervisorEnd> => {
    let running = first;
    let failed = 0;
    for (;;) {
      const began = performance.now();
      takeCharge(running);
      watchBoot(running);
      if (forced) await running.kill(); // asked for between two machines
      const end = await running.ended;
      unwatch();
      const closed = connection?.close();
      happen(forced ? 'shutdown' : end); // at once: whoever asks meanwhile must not be told that it runs
      await look();
      if (state !== 'starting') {
        await closed;
        return state === 'failed' ? 'failed' : 'stopped';
      }
      if (end === 'hang') log('the guest hung: its watchdog reset it');
      const crashed = end === 'hang' || problem?.kind === 'panic';
      failed = failedStarts(failed, { answered, crashed, lasted: performance.now() - began });
      // no slot is to blame for that, unless it is one on trial: then the firmware goes back to the committed one
      const locked = problem?.kind === 'locked' && !isSingleStart;
      const pause = locked ? undefined : await pauseBefore(failed);
      if (pause === undefined) {
        const why = problem?.text ?? 'its console does not say why';
        gaveUp = locked ? why : `it did not come up in ${failed} starts in a row: ${why}`;
        happen('killed');
        return 'failed';
      }
      if (failed > 0) log(`start ${failed} in a row that failed: ${problem?.text ?? 'unknown'}`);
      await Promise.race([sleep(pause, undefined, { ref: false }), stopAsked.promise]);
      if (state === 'starting') running = await begin();
      else {
        happen('shutdown');
        return 'stopped';
      }
    }
  };

  const started = firstMachine().then((first) => {
    attend(first).then(ended.resolve, (error: unknown) => {
      gaveUp = `it could not be started again: ${reasonOf(error)}`;
      happen('killed');
      ended.resolve('failed');
    });
  });

  /** Through the channel, else by the power button: a guest that boots or hangs may hear only one of them. */
  const askToShutDown = async () => {
    try {
      const session = connection?.session();
      if (session)
        await session.run(['sudo', '-n', 'systemctl', '--no-block', 'poweroff'], { timeoutMs: 30_000 });
      else await machine?.powerDown();
    } catch (error) {
      log(`shutdown not taken: ${reasonOf(error)}`);
      await machine?.powerDown().catch((cause: unknown) => log(`power button failed: ${reasonOf(cause)}`));
    }
  };

  const shutDown = async () => {
    const deadline = parts.stopDeadline ?? 90_000;
    let giveUpAt = performance.now() + deadline;
    let heard = connection?.session() !== undefined;
    const off = ended.promise.then(() => true);
    happen('stop');
    while (performance.now() < giveUpAt) {
      // firmware and early boot hear nothing: a guest that begins to answer has the whole time from then on
      if (!heard && connection?.session()) {
        heard = true;
        giveUpAt = performance.now() + deadline;
      }
      const asked = askToShutDown().then(() => sleep(parts.askEvery ?? 5000, false, { ref: false }));
      if (await Promise.race([off, asked])) return;
    }
    happen('give-up');
    if (connection?.session()) happen('connected');
    throw failure('machine.stop-timeout', `the machine '${name}' did not shut down`, {
      why: `it had ${Math.round(deadline / 1000)} seconds to do so`,
      next: 'try again, or end it at once with `holdfast stop --force`: what it has not written is lost',
    });
  };

  return {
    status: () => ({
      state,
      pid: machine?.pid,
      startedAt: machine?.startedAt,
      accelerator: machine?.accelerator,
      channelProblem,
      problem: gaveUp ?? problem?.text,
    }),
    session: () => connection?.session(),
    started,
    async stop({ force }) {
      const isOff = await started.then(
        () => false,
        () => true, // it could not be started
      );
      if (isOff) return;
      stopAsked.resolve();
      if (force) {
        forced = true;
        happen('stop');
        await machine?.kill();
      } else {
        shuttingDown ??= shutDown().finally(() => {
          shuttingDown = undefined;
        });
        await shuttingDown;
      }
      await ended.promise;
    },
    async exportDisk() {
      await started;
      if (machine) return machine.exportDisk();
      throw failure('machine.not-running', `the machine '${name}' does not run`);
    },
    async leave() {
      await started;
      log('leaving; the machine lives on');
      machine?.release();
      unwatch();
      await connection?.close();
      ended.resolve('left');
    },
    ended: ended.promise,
  };
}
