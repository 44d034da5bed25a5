import type { MachineEnd } from '../hypervisor/hypervisor.ts';
import type { ConsoleProblem } from './console-log.ts';
import { failedStarts, pauseAfter } from './restart-policy.ts';
import { type MachineEvent, type MachineState, next } from './state.ts';

/**
 * What the boot loop does now. Each task ends with the event that is named here, and only that one leads to the next task:
 *
 *     find ───── absent ────┐
 *       │                   ▼
 *       └── started ──┐   start ◀── paused ───── pause ◀─────┐
 *                     ▼     │                      ▲         │
 *                   attend ◀┘ started              │     fell-back
 *                     │                            │         │
 *                     └── ended ──▶ examine ── examined ──▶ fall-back
 *
 * Every task leads to `end` when the machine is off or is to be, and at `failed` and `left`.
 */
export type Task =
  /** Look for the processes of a machine that runs. */
  | { readonly do: 'find' }
  | { readonly do: 'start' }
  /** Stay with the machine until its processes end. */
  | { readonly do: 'attend' }
  /** Read on the console why the guest ended. `lasted`: milliseconds. */
  | { readonly do: 'examine'; readonly hung: boolean; readonly lasted: number }
  /** Make the next start one of the other slot. */
  | { readonly do: 'fall-back' }
  /** Wait before the next start: milliseconds. */
  | { readonly do: 'pause'; readonly duration: number }
  | { readonly do: 'end' };

export interface SupervisorState {
  readonly power: MachineState;
  readonly task: Task;
  /** Whether a stop by force was requested: however the machine ends, it is no failure. */
  readonly isForced: boolean;
  /** Whether the machine was left to the next supervisor. */
  readonly isLeft: boolean;
  /** Whether the channel has answered in this start. */
  readonly hasAnswered: boolean;
  /** Whether the firmware boots the committed slot after this start, whatever this one booted. */
  readonly isSingleStart: boolean;
  /** How many starts in a row have failed. */
  readonly failedStarts: number;
  /** Whether the other slot had its start since the last one that came up. */
  readonly hasFallenBack: boolean;
  /** A program of this start that has ended, and with it the machine or its use. */
  readonly lost: string | undefined;
  /** Whether the guest has halted its processors without switching its power off. */
  readonly isHalted: boolean;
  /** The problem of this start that the console shows. */
  readonly problem: ConsoleProblem | undefined;
  /** Why there is no other start. */
  readonly gaveUp: string | undefined;
  /** Why the channel did not answer the last time. */
  readonly channelProblem: string | undefined;
}

export type SupervisorEvent =
  // the ends of tasks
  | { readonly type: 'absent' | 'paused' }
  | { readonly type: 'started'; readonly isSingleStart: boolean }
  /** `lasted`: milliseconds. */
  | { readonly type: 'ended'; readonly how: MachineEnd; readonly lasted: number }
  | { readonly type: 'examined'; readonly problem: ConsoleProblem | undefined }
  /** `found`: whether there is another slot. */
  | { readonly type: 'fell-back'; readonly found: boolean }
  /** The task that is under way could not be done. */
  | { readonly type: 'failed'; readonly reason: string }
  // while a machine runs
  | { readonly type: 'connected' | 'disconnected' }
  | { readonly type: 'unreachable'; readonly reason: string }
  /** A program of the machine has ended, which the machine does not survive for long. */
  | { readonly type: 'lost'; readonly program: string }
  | { readonly type: 'console'; readonly problem: ConsoleProblem | undefined }
  // requests
  | { readonly type: 'stop'; readonly force: boolean }
  /** The guest did not shut down in time. */
  | { readonly type: 'give-up' }
  | { readonly type: 'left' };

export const initialState: SupervisorState = {
  power: 'starting',
  task: { do: 'find' },
  isForced: false,
  isLeft: false,
  hasAnswered: false,
  isSingleStart: true,
  failedStarts: 0,
  hasFallenBack: false,
  lost: undefined,
  isHalted: false,
  problem: undefined,
  gaveUp: undefined,
  channelProblem: undefined,
};

/** The program whose end is that of the machine. */
const hypervisorProgram = 'QEMU';

/** Milliseconds before the next start, by the number of failed starts in a row; undefined: no other start. */
export type RestartPolicy = (failed: number) => number | undefined;

/** Returns the state after an event. Pure. An event that does not belong to the task under way changes nothing. */
export function reduce(
  state: SupervisorState,
  event: SupervisorEvent,
  policy: RestartPolicy = pauseAfter,
): SupervisorState {
  const { power, task } = state;
  if (task.do === 'end') return state;
  if (event.type === 'left') return { ...state, isLeft: true, task: { do: 'end' } };
  if (event.type === 'failed') return couldNot(state, event.reason, policy);
  if (event.type === 'stop')
    return { ...state, power: next(power, 'stop'), isForced: state.isForced || event.force };
  switch (task.do) {
    case 'find':
    case 'start':
      if (event.type === 'started') return begin(state, event.isSingleStart);
      if (event.type === 'absent' && task.do === 'find') return startUnlessStopped(state);
      return event.type === 'give-up' ? { ...state, power: next(power, 'give-up') } : state;
    case 'attend':
      return attend(state, event);
    case 'examine':
      return event.type === 'examined' ? decide({ ...state, problem: event.problem }, task, policy) : state;
    case 'fall-back':
      if (event.type !== 'fell-back') return state;
      if (power !== 'starting') return end(state);
      if (!event.found) return giveUp(state, whyGivenUp(state));
      return { ...state, hasFallenBack: true, task: { do: 'pause', duration: 0 } };
    case 'pause':
      return event.type === 'paused' ? startUnlessStopped(state) : state;
  }
}

function begin(state: SupervisorState, isSingleStart: boolean): SupervisorState {
  return {
    ...state,
    power: next(state.power, 'started'),
    task: { do: 'attend' },
    hasAnswered: false,
    isSingleStart,
    lost: undefined,
    isHalted: false,
    problem: undefined,
    gaveUp: undefined,
  };
}

function attend(state: SupervisorState, event: SupervisorEvent): SupervisorState {
  const to = (happened: MachineEvent) => next(state.power, happened);
  switch (event.type) {
    case 'connected':
      return { ...state, power: to('connected'), hasAnswered: true, channelProblem: undefined };
    case 'disconnected':
    case 'give-up':
      return { ...state, power: to(event.type) };
    case 'unreachable':
      return { ...state, channelProblem: event.reason };
    case 'lost':
      return { ...state, lost: state.lost ?? event.program };
    case 'console':
      return {
        ...state,
        problem: event.problem,
        isHalted: state.isHalted || event.problem?.kind === 'halted',
        gaveUp: state.gaveUp ?? reasonToGiveUp(state, event.problem),
      };
    case 'ended': {
      const task: Task = { do: 'examine', hung: event.how === 'hang', lasted: event.lasted };
      if (state.isForced || state.isHalted) return { ...state, power: to('shutdown'), task };
      if (event.how !== 'killed') return { ...state, power: to(event.how), task };
      if (state.gaveUp !== undefined) return { ...state, power: 'failed', task };
      return { ...state, power: to('killed'), lost: state.lost ?? hypervisorProgram, task };
    }
    default:
      return state;
  }
}

/** Returns why a machine that nobody ended has ended; undefined: it was shut down, or rebooted by itself. */
export function crashOf(state: SupervisorState, problem: ConsoleProblem | undefined): string | undefined {
  const { task, lost, isForced, power } = state;
  if (task.do !== 'examine' || isForced || power === 'stopped') return undefined;
  if (lost !== undefined) return `${lost} ended unexpectedly`;
  const printed = problem === undefined ? '' : `: ${problem.text}`;
  if (task.hung) return `the guest hung, and its watchdog reset it${printed}`;
  return problem?.kind === 'panic' ? problem.text : undefined;
}

/** Returns the reason to give up a machine that its firmware does not boot: it would wait for a key forever. */
function reasonToGiveUp({ power }: SupervisorState, problem: ConsoleProblem | undefined): string | undefined {
  if (power !== 'booting' || problem?.kind !== 'unbootable') return undefined;
  return `the firmware found nothing that it is allowed to start: ${problem.text}`;
}

/** Decides what follows the end of a machine: the next start, now or later, one of the other slot, or none. */
function decide(
  state: SupervisorState,
  { hung, lasted }: Task & { do: 'examine' },
  policy: RestartPolicy,
): SupervisorState {
  if (state.power !== 'starting') return end(state);
  const { problem, hasAnswered, isSingleStart } = state;
  const crashed = hung || problem?.kind === 'panic' || state.lost !== undefined;
  const failed = failedStarts(state.failedStarts, { answered: hasAnswered, crashed, lasted });
  const hasFallenBack = state.hasFallenBack && failed > 0;
  const judged = { ...state, failedStarts: failed, hasFallenBack };
  // locked data is not the fault of a slot, unless the slot is on trial: then the firmware returns to the committed one
  if (problem?.kind === 'locked' && !isSingleStart) return giveUp(judged, problem.text);
  const duration = policy(failed);
  if (duration !== undefined) return { ...judged, task: { do: 'pause', duration } };
  // a program of the host has failed: another slot does not change that
  if (judged.lost !== undefined) return giveUp(judged, whyGivenUp(judged));
  return hasFallenBack ? giveUp(judged, whyGivenUp(judged)) : { ...judged, task: { do: 'fall-back' } };
}

/**
 * Decides what follows a task that failed on the host. A start after a failed one is repeated: what it needs may still be in use.
 * The first start is not: its reason is shown at once.
 */
function couldNot(state: SupervisorState, reason: string, policy: RestartPolicy): SupervisorState {
  const text = `it could not be started: ${reason}`;
  const isRestart = state.task.do === 'start' && state.failedStarts > 0 && state.power === 'starting';
  const duration = isRestart ? policy(state.failedStarts + 1) : undefined;
  if (duration === undefined) return giveUp(state, text);
  const problem: ConsoleProblem = { kind: 'notice', text };
  return { ...state, failedStarts: state.failedStarts + 1, problem, task: { do: 'pause', duration } };
}

function startUnlessStopped(state: SupervisorState): SupervisorState {
  return state.power === 'starting' ? { ...state, task: { do: 'start' } } : end(state);
}

/** Ends the loop while no machine runs: a requested stop is complete. */
function end(state: SupervisorState): SupervisorState {
  return { ...state, power: next(state.power, 'shutdown'), task: { do: 'end' } };
}

function giveUp(state: SupervisorState, why: string): SupervisorState {
  return {
    ...state,
    power: state.power === 'stopped' ? 'stopped' : 'failed',
    gaveUp: why,
    task: { do: 'end' },
  };
}

function whyGivenUp({ failedStarts, problem, lost }: SupervisorState): string {
  if (lost !== undefined) return `${lost} ended unexpectedly; ${failedStarts} starts in a row have failed`;
  return `it did not come up in ${failedStarts} starts in a row: ${problem?.text ?? 'its console shows no reason'}`;
}
