import { setTimeout as sleep } from 'node:timers/promises';
import { describe, failure } from '../base/errors.ts';
import { until } from '../base/until.ts';
import type { ChannelName } from '../channel/channels.ts';
import type { StartCommand } from '../channel/guest.ts';
import type { Session } from '../channel/session.ts';
import { keepClock } from '../guest/clock-keeper.ts';
import type { RunningMachine } from '../hypervisor/hypervisor.ts';
import { CommandSessions } from './command-sessions.ts';
import type { ConsoleProblem } from './console-log.ts';
import {
  connectOnDemand,
  type GuestConnection,
  keepConnected,
  type OnDemandConnection,
} from './guest-connection.ts';
import type { SupervisorParts } from './parts.ts';
import {
  crashOf,
  initialState,
  reduce,
  type SupervisorEvent,
  type SupervisorState,
  type Task,
} from './reducer.ts';

const forEver = Number.POSITIVE_INFINITY;

/**
 * Runs the tasks of the reducer, one after the other: each reboot of the guest ends a machine and requires
 * the next. Owns the only state, and the machine and the connection that belong to it.
 */
export class BootLoop {
  readonly #parts: SupervisorParts;
  readonly #mode: 'start' | 'adopt';
  readonly #askedToEnd: () => void;
  readonly #started = Promise.withResolvers<void>();
  #state = initialState;
  #machine: RunningMachine | undefined;
  #connection: GuestConnection | undefined;
  #users: OnDemandConnection | undefined;
  #commands: Readonly<Record<ChannelName, CommandSessions>> | undefined;
  #watch = new AbortController();
  #closed: Promise<void> | undefined;
  #pause = new AbortController();
  #isAskedToEnd = false;

  /** @param askedToEnd called when a machine's process was sent a signal to end. */
  constructor(parts: SupervisorParts, mode: 'start' | 'adopt', askedToEnd: () => void) {
    this.#parts = parts;
    this.#mode = mode;
    this.#askedToEnd = askedToEnd;
  }

  get state(): SupervisorState {
    return this.#state;
  }

  /** The machine that runs, or the last one that did. */
  get machine(): RunningMachine | undefined {
    return this.#machine;
  }

  /** Whether the machine's process was sent a signal to end. */
  get isAskedToEnd(): boolean {
    return this.#isAskedToEnd;
  }

  /** Resolves when the first machine runs. @throws the reason why it could not be found or started. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** The session of the management channel, while there is one. */
  session(): Session | undefined {
    return this.#connection?.session();
  }

  /** Returns the session of the user channel, which is opened when it is first needed; undefined while no machine runs. */
  async userSession(): Promise<Session | undefined> {
    return this.#users?.session();
  }

  /** Returns a function that starts a client's commands over a channel. @param first its session. */
  commands(channel: ChannelName, first: Session): StartCommand {
    return this.#commands?.[channel].from(first) ?? first.start;
  }

  happen(event: SupervisorEvent): void {
    const before = this.#state.power;
    this.#state = reduce(this.#state, event, this.#parts.pauseAfter);
    const { power, gaveUp } = this.#state;
    if (power === before) return;
    this.#pause.abort(); // by a stop: there is no other start
    const what = event.type === 'ended' ? event.how : event.type;
    this.#parts.log(`${what}: ${power}${power === 'failed' && gaveUp ? `: ${gaveUp}` : ''}`);
  }

  /** Resolves when the machine is off and there is no other start. */
  async run(): Promise<void> {
    while (this.#state.task.do !== 'end') {
      try {
        this.happen(await this.#perform(this.#state.task));
      } catch (error) {
        this.#started.reject(error);
        this.happen({ type: 'failed', reason: describe(error) });
      }
    }
    await this.#closed;
  }

  /** Leaves the machine running without this supervisor. */
  async leave(): Promise<void> {
    this.happen({ type: 'left' });
    this.#machine?.release();
    this.#watch.abort();
    this.#pause.abort();
    await this.#close();
  }

  async #close(): Promise<void> {
    const { management, user } = this.#commands ?? {};
    await Promise.all([this.#connection, this.#users, management, user].map((each) => each?.close()));
  }

  async #perform(task: Exclude<Task, { do: 'end' }>): Promise<SupervisorEvent> {
    const { log, fallBack } = this.#parts;
    switch (task.do) {
      case 'find':
        return this.#find();
      case 'start':
        return this.#start();
      case 'attend':
        return this.#attend();
      case 'examine':
        return this.#examine();
      case 'fall-back':
        return { type: 'fell-back', found: await fallBack() };
      case 'pause': {
        const { failedStarts, problem } = this.#state;
        if (failedStarts > 0)
          log(`start ${failedStarts} in a row that failed: ${problem?.text ?? 'unknown'}`);
        this.#pause = new AbortController();
        await sleep(task.duration, undefined, { signal: this.#pause.signal }).catch(() => {}); // ended by a stop
        return { type: 'paused' };
      }
    }
  }

  async #find(): Promise<SupervisorEvent> {
    const { hypervisor, machine, log } = this.#parts;
    this.#machine = await hypervisor.adopt(machine);
    if (this.#machine) {
      log(`found process ${this.#machine.pid}`);
      return { type: 'started', isSingleStart: true }; // unknown: the safe assumption
    }
    if (this.#mode === 'start') return { type: 'absent' };
    throw failure('machine.not-running', `the machine '${machine.name}' does not run`, {
      why: 'none of its processes was found',
      next: 'run `holdfast start`',
    });
  }

  async #start(): Promise<SupervisorEvent> {
    const { hypervisor, prepare, isSingleStart, handedOver } = this.#parts;
    const hardware = await prepare();
    const isSingle = await isSingleStart();
    try {
      this.#machine = await hypervisor.start(hardware);
    } finally {
      await handedOver();
    }
    return { type: 'started', isSingleStart: isSingle };
  }

  async #attend(): Promise<SupervisorEvent> {
    const machine = this.#machine;
    if (!machine) throw new TypeError('no machine to attend');
    const began = performance.now();
    this.#isAskedToEnd = false;
    this.#parts.log(`process ${machine.pid} under ${machine.accelerator}`);
    this.#connection = this.#connect(machine);
    this.#users = connectOnDemand(async () => this.#open(machine, 'user'));
    const commandsOf = (channel: ChannelName) => new CommandSessions(() => this.#open(machine, channel));
    this.#commands = { management: commandsOf('management'), user: commandsOf('user') };
    this.#watch = new AbortController();
    this.#started.resolve();
    void this.#watchConsole(machine, this.#watch.signal);
    void this.#watchPrograms(machine, this.#watch.signal);
    void this.#watchSignals(machine, this.#watch.signal);
    try {
      if (this.#state.isForced) await machine.kill(); // requested while it was started
      return { type: 'ended', how: await machine.ended, lasted: performance.now() - began };
    } finally {
      this.#watch.abort();
      this.#closed = this.#close();
    }
  }

  async #examine(): Promise<SupervisorEvent> {
    const { log, crashed } = this.#parts;
    const problem = await this.#readProblem();
    const crash = crashOf(this.#state, problem);
    if (crash !== undefined) {
      log(`crash: ${crash}`);
      await crashed(crash).catch((error: unknown) => log(`crash not recorded: ${describe(error)}`));
    }
    return { type: 'examined', problem };
  }

  async #open(machine: RunningMachine, channel: ChannelName): Promise<Session> {
    return this.#parts.openSession(await machine.connect(channel), channel);
  }

  #connect(machine: RunningMachine): GuestConnection {
    const { log, answered } = this.#parts;
    return keepConnected(() => this.#open(machine, 'management'), {
      connected: (session) => {
        this.happen({ type: 'connected' });
        answered().catch((error: unknown) =>
          log(`the requested resets are not forgotten: ${describe(error)}`),
        );
        void this.#look();
        keepClock(session, {
          checked: ({ offset, corrected }) => corrected && log(`clock was ${Math.round(offset)} ms off: set`),
          failed: (error) => log(`clock not checked: ${describe(error)}`),
        });
      },
      disconnected: () => this.happen({ type: 'disconnected' }),
      failed: (reason) => {
        this.happen({ type: 'unreachable', reason });
        log(`channel does not answer: ${reason}`);
      },
    });
  }

  /** Ends a machine that would wait forever: for a key, as its firmware does not boot it, or halted, for its power to be switched off. */
  async #watchConsole(machine: RunningMachine, signal: AbortSignal): Promise<void> {
    const { lookEvery = 1000, log } = this.#parts;
    const every = () => (this.#state.power === 'running' ? 5 * lookEvery : lookEvery);
    try {
      await until({ within: forEver, every, signal }, async () => {
        await this.#look(signal);
        return this.#state.gaveUp !== undefined || this.#state.isHalted;
      });
      if (this.#state.isHalted) log('the guest has halted: switching its power off');
      await machine.kill();
    } catch (error) {
      if (!signal.aborted) log(`console no longer watched: ${describe(error)}`);
    }
  }

  /** Restarts a machine that has lost one of its programs: none can be replaced while it runs. */
  async #watchPrograms(machine: RunningMachine, signal: AbortSignal): Promise<void> {
    const program = await machine.lost;
    if (signal.aborted) return;
    this.happen({ type: 'lost', program });
    this.#parts.log(`${program} has ended: restarting the machine`);
    machine.restart();
  }

  async #watchSignals(machine: RunningMachine, signal: AbortSignal): Promise<void> {
    await machine.askedToEnd;
    if (signal.aborted) return;
    this.#parts.log(`process ${machine.pid} was sent a signal to end: shutting the guest down`);
    this.#isAskedToEnd = true;
    this.#askedToEnd();
  }

  async #look(signal = this.#watch.signal): Promise<void> {
    const problem = await this.#readProblem();
    if (!signal.aborted) this.happen({ type: 'console', problem });
  }

  /** Returns the last problem again when the console cannot be read. */
  async #readProblem(): Promise<ConsoleProblem | undefined> {
    try {
      return await this.#parts.readProblem();
    } catch (error) {
      this.#parts.log(`console not read: ${describe(error)}`);
      return this.#state.problem;
    }
  }
}
