import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ConsoleProblem } from '../../../src/supervisor/console-log.ts';
import {
  initialState,
  reduce,
  type SupervisorEvent,
  type SupervisorState,
  type Task,
} from '../../../src/supervisor/reducer.ts';

const kinds = ['unbootable', 'panic', 'locked', 'notice'] as const;
const problem = fc.option(fc.record({ text: fc.constantFrom('a', 'b'), kind: fc.constantFrom(...kinds) }), {
  nil: undefined,
});
const how = fc.constantFrom('shutdown', 'reboot', 'hang', 'killed');
const lasted = fc.constantFrom(1_000, 1_000, 599_999, 600_000);

/** Every event, also those that cannot happen now: the reducer must ignore them. */
const anyEvent: fc.Arbitrary<SupervisorEvent> = fc.oneof(
  fc.record({ type: fc.constantFrom('absent', 'paused', 'connected', 'disconnected', 'give-up') }),
  fc.record({ type: fc.constant('started'), isSingleStart: fc.boolean() }),
  fc.record({ type: fc.constant('ended'), how, lasted }),
  fc.record({ type: fc.constantFrom('examined', 'console'), problem }),
  fc.record({ type: fc.constant('fell-back'), found: fc.boolean() }),
  fc.record({ type: fc.constant('unreachable'), reason: fc.constant('silence') }),
  fc.record({ type: fc.constant('lost'), program: fc.constantFrom('swtpm', 'vhost-device-vsock') }),
  fc.record({ type: fc.constant('stop'), force: fc.boolean() }),
);
/** Those that end everything. */
const finalEvent: fc.Arbitrary<SupervisorEvent> = fc.oneof(
  fc.constant({ type: 'left' } as const),
  fc.record({ type: fc.constant('failed'), reason: fc.constant('no memory') }),
);

const panic: ConsoleProblem = { text: 'Kernel panic', kind: 'panic' };

type Payload = Pick<Extract<SupervisorEvent, { type: 'ended' }>, 'how' | 'lasted'> & {
  readonly problem: ConsoleProblem | undefined;
  readonly isSingleStart: boolean;
  readonly found: boolean;
};

/** The event that ends the task under way. */
function completion(task: Task, payload: Payload): SupervisorEvent {
  const { problem, isSingleStart, found, how, lasted } = payload;
  switch (task.do) {
    case 'find':
      return found ? { type: 'started', isSingleStart: true } : { type: 'absent' };
    case 'start':
      return { type: 'started', isSingleStart };
    case 'attend':
      return { type: 'ended', how, lasted };
    case 'examine':
      return { type: 'examined', problem };
    case 'fall-back':
      return { type: 'fell-back', found };
    case 'pause':
    case 'end':
      return { type: 'paused' };
  }
}

/** A step is an event, or the end of the task under way. Most ends are reboots, so that sequences get far. */
type Step = { readonly event: SupervisorEvent } | { readonly payload: Payload };
const payload = fc.record({
  how: fc.oneof({ weight: 20, arbitrary: fc.constantFrom('reboot', 'hang', 'hang') }, how),
  lasted,
  problem: fc.oneof({ weight: 10, arbitrary: fc.constantFrom(panic, undefined) }, problem),
  isSingleStart: fc.boolean(),
  found: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 60, arbitrary: fc.record({ payload }) },
  { weight: 15, arbitrary: fc.record({ event: anyEvent }) },
  { weight: 10, arbitrary: fc.record({ event: fc.constant({ type: 'connected' } as const) }) },
  { weight: 1, arbitrary: fc.record({ event: finalEvent }) },
);
const steps = fc.array(step, { maxLength: 80, size: 'max' });

interface Turn {
  readonly before: SupervisorState;
  readonly event: SupervisorEvent;
  readonly after: SupervisorState;
}

function play(all: readonly Step[], check: (turn: Turn) => void): SupervisorState {
  let state = initialState;
  for (const each of all) {
    const event = 'event' in each ? each.event : completion(state.task, each.payload);
    const after = reduce(state, event);
    check({ before: state, event, after });
    state = after;
  }
  return state;
}

const runs = { numRuns: 500 };
const isOff = ({ power }: SupervisorState) => power === 'stopped' || power === 'failed';

test('never starts a machine that runs or is being started', () => {
  fc.assert(
    fc.property(steps, (all) => {
      let processes = 0; // the state of the host, by the possible events
      let starting = false;
      play(all, ({ before, event, after }) => {
        if (before.task.do === 'end') return;
        const canStart = starting || before.task.do === 'find';
        if (event.type === 'started' && canStart) {
          starting = false;
          processes++;
        }
        if (event.type === 'failed') starting = false;
        if (event.type === 'ended' && processes > 0) processes--;
        if (after.task.do !== 'start' || before.task.do === 'start') return;
        assert.deepEqual({ starting, processes }, { starting: false, processes: 0 });
        assert.ok(!after.isForced, 'a start after a stop by force');
        starting = true;
      });
    }),
    runs,
  );
});

test('allows three failed starts in a row, and one of the other slot', () => {
  fc.assert(
    fc.property(steps, (all) => {
      let failed = 0;
      let answered = false;
      let lost = false;
      let fellBack = false;
      let ended: Extract<SupervisorEvent, { type: 'ended' }> | undefined;
      play(all, ({ before, event, after }) => {
        const doing = before.task.do;
        if (event.type === 'started' && (doing === 'find' || doing === 'start')) answered = lost = false;
        if (event.type === 'lost' && doing === 'attend') lost = true;
        if (event.type === 'connected' && doing === 'attend') answered = true;
        if (event.type === 'ended' && doing === 'attend') ended = event;
        if (event.type === 'fell-back' && doing === 'fall-back') fellBack = true;
        if (event.type === 'failed' && doing === 'start') failed++;
        if (event.type === 'examined' && doing === 'examine') {
          const crashed = lost || /hang|killed/.test(ended?.how ?? '') || event.problem?.kind === 'panic';
          const isFailure = !answered || (crashed && (ended?.lasted ?? 0) < 600_000);
          failed = isFailure ? failed + 1 : 0;
          if (!isFailure) fellBack = false;
        }
        if (after.task.do !== 'start' || doing === 'start') return;
        assert.ok(failed < 3 || (fellBack && failed === 3), `a start after ${failed} that failed`);
      });
    }),
    runs,
  );
});

test('every state leads to off by a forced stop and the end of at most three tasks', () => {
  fc.assert(
    fc.property(steps, fc.array(payload, { minLength: 4, maxLength: 4 }), (all, ends) => {
      let state = play(all, () => {});
      if (state.isLeft) return; // the next supervisor owns the machine
      const end = isOff(state) ? state.power : 'stopped';
      state = reduce(state, { type: 'stop', force: true });
      for (const each of ends) {
        if (state.task.do !== 'end') state = reduce(state, completion(state.task, each));
      }
      assert.deepEqual([state.power, state.task.do], [end, 'end']);
    }),
    runs,
  );
});

test('off is final, and later events change nothing', () => {
  fc.assert(
    fc.property(steps, (all) => {
      play(all, ({ before, after }) => {
        if (isOff(before)) assert.equal(after.power, before.power);
        if (before.task.do === 'end') assert.equal(after, before);
        if (isOff(after)) assert.ok(['examine', 'end'].includes(after.task.do), after.task.do);
        if (after.task.do === 'end') assert.ok(isOff(after) || after.isLeft);
      });
    }),
    runs,
  );
});

/** The state after these events. */
function after(...events: SupervisorEvent[]): SupervisorState {
  return events.reduce((state, event) => reduce(state, event), initialState);
}
const started = { type: 'started', isSingleStart: false } as const;
const rebooted = { type: 'ended', how: 'reboot', lasted: 1000 } as const;
const examined = { type: 'examined', problem: undefined } as const;

test('a stop between two starts needs no further start', () => {
  const stop = { type: 'stop', force: false } as const;
  const { power, task } = after(started, rebooted, stop);
  assert.deepEqual([power, task.do], ['stopping', 'examine']);
  assert.equal(after(started, rebooted, stop, examined).power, 'stopped');
  assert.equal(after(started, rebooted, examined, stop, { type: 'paused' }).power, 'stopped');
});

test('a guest that was not shut down in time counts as booting, and can answer', () => {
  const late = after(started, { type: 'stop', force: false }, { type: 'give-up' });
  assert.equal(late.power, 'booting');
  assert.equal(reduce(late, { type: 'connected' }).power, 'running');
});

test('only a booting firmware can report an unbootable machine, not guest output later', () => {
  const refused = { type: 'console', problem: { text: 'No bootable option', kind: 'unbootable' } } as const;
  assert.match(after(started, refused).gaveUp ?? '', /No bootable option$/);
  assert.equal(after(started, { type: 'connected' }, refused).gaveUp, undefined);
});

test('the problem of one start is not reported for the next', () => {
  const state = after(started, rebooted, { type: 'examined', problem: { text: 'no', kind: 'notice' } });
  assert.equal(state.problem?.text, 'no');
  assert.equal(reduce(reduce(state, { type: 'paused' }), started).problem, undefined);
});

test('a forced stop is effective also when a clean stop gives up meanwhile', () => {
  const events = [{ type: 'stop', force: true }, { type: 'give-up' }, rebooted] as const;
  assert.equal(after(started, ...events).power, 'stopped');
});

test('after a successful start, the other slot gets a start again', () => {
  const failed = [started, rebooted, examined] as const;
  const cameUp = [started, { type: 'connected' }, rebooted, examined] as const;
  const paused = { type: 'paused' } as const;
  const thrice = [...failed, paused, ...failed, paused, ...failed];
  const fellBack = [...thrice, { type: 'fell-back', found: true }, paused] as const;
  assert.deepEqual(after(...fellBack, ...failed).power, 'failed');
  assert.deepEqual(after(...fellBack, ...cameUp, paused, ...thrice).task, { do: 'fall-back' });
});

test('a lost program counts as a crash, is named when the machine is given up, and does not change the slot', () => {
  const lost = { type: 'lost', program: 'swtpm' } as const;
  const ended = { type: 'ended', how: 'reboot', lasted: 599_999 } as const;
  const failed = [started, { type: 'connected' }, lost, ended, examined] as const;
  const paused = { type: 'paused' } as const;
  assert.deepEqual(after(...failed).task, { do: 'pause', duration: 1000 });
  assert.equal(after(...failed, paused, started).lost, undefined);
  const thrice = after(...failed, paused, ...failed, paused, ...failed);
  assert.deepEqual([thrice.power, thrice.task.do], ['failed', 'end']);
  assert.match(thrice.gaveUp ?? '', /^swtpm ended unexpectedly/);
  // after ten minutes the machine has come up
  assert.equal(after(...failed.slice(0, 3), { ...ended, lasted: 600_000 }, examined).failedStarts, 0);
});

test('a killed hypervisor is started again, unless the machine was being stopped', () => {
  const killed = { type: 'ended', how: 'killed', lasted: 1000 } as const;
  const state = after(started, { type: 'connected' }, killed);
  assert.deepEqual([state.power, state.lost], ['starting', 'QEMU']);
  assert.equal(after(started, { type: 'stop', force: false }, killed).power, 'failed');
  assert.equal(after(started, { type: 'stop', force: true }, killed).power, 'stopped');
});

test('a start that fails on the host is repeated only after a failed one', () => {
  const refused = { type: 'failed', reason: 'QEMU printed no reason' } as const;
  const killed = { type: 'ended', how: 'killed', lasted: 1000 } as const;
  assert.equal(after(refused).power, 'failed');
  const restarted = [started, killed, examined, { type: 'paused' }, refused] as const;
  assert.deepEqual(after(...restarted).task, { do: 'pause', duration: 5000 });
  assert.match(after(...restarted).problem?.text ?? '', /printed no reason/);
  const again = after(...restarted, { type: 'paused' }, refused);
  assert.deepEqual([again.power, again.task.do], ['failed', 'end']);
  assert.equal(after(...restarted, { type: 'stop', force: false }, { type: 'paused' }).power, 'stopped');
});

test('a supervisor that left starts nothing', () => {
  const { isLeft, power, task } = after(started, { type: 'left' }, rebooted, examined, { type: 'paused' });
  assert.deepEqual({ isLeft, power, task }, { isLeft: true, power: 'booting', task: { do: 'end' } });
});
