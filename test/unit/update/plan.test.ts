import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Slot } from '../../../src/disk/layout.ts';
import { otherSlot, phaseOf } from '../../../src/firmware/slots.ts';
import { nextStep, type Step } from '../../../src/update/plan.ts';

/** A release: whether it boots, and whether it is then healthy. */
interface Release {
  readonly name: string;
  readonly boots: boolean;
  readonly isWell: boolean;
  readonly epoch: number;
}

/** The content of a slot that must not be started again. */
const erased: Release = { name: 'erased', boots: false, isWell: false, epoch: 0 };

/** The state of a machine, apart from its data; the write of a `torn` slot was interrupted. */
interface Machine {
  order: Slot[];
  next: Slot | undefined;
  running: Slot | undefined;
  readonly slots: Record<Slot, Release | 'torn' | undefined>;
  /** The latest epoch that was committed. */
  epoch: number;
}

const first: Release = { name: 'first', boots: true, isWell: true, epoch: 1 };

function machine(): Machine {
  return { order: ['A'], next: undefined, running: 'A', slots: { A: first, B: undefined }, epoch: 1 };
}

/**
 * Boots as the firmware does: the trial, if there is one, then the boot order; a release that does not boot
 * is skipped.
 */
function boot(model: Machine): void {
  const tried = [...(model.next ? [model.next] : []), ...model.order];
  model.next = undefined;
  model.running = tried.find((slot) => {
    const content = model.slots[slot];
    return content !== undefined && content !== 'torn' && content.boots;
  });
}

function take(model: Machine, step: Step, target: Release): 'left' | undefined {
  const running = model.running ?? 'A';
  if (step === 'start' || step === 'restart' || step === 'abandon') boot(model);
  else if (step === 'retire') [model.order, model.next] = [[running], undefined];
  else if (step === 'stage') model.slots[otherSlot(running)] = target;
  else if (step === 'compare') return undefined;
  else if (step === 'expire') model.slots[otherSlot(running)] = erased;
  else if (step === 'finalize') model.next = otherSlot(running);
  else if (target.isWell) {
    model.epoch = Math.max(model.epoch, target.epoch);
    model.order = [running, otherSlot(running)];
  } else {
    boot(model);
    return 'left';
  }
  return undefined;
}

/** Returns whether a slot has a release that must not run again. */
function isPast({ slots, epoch }: Machine, slot: Slot): boolean {
  const content = slots[slot];
  return content !== undefined && content !== 'torn' && content !== erased && content.epoch < epoch;
}

const mark = (model: Machine) => JSON.stringify(model);

/**
 * An interruption of a step, counted from the last: the host loses power, the command is killed, or is not
 * run again.
 */
interface Cut {
  readonly after: number;
  readonly how: 'power' | 'kill' | 'end';
}

/**
 * Updates as `advance` does; true when the machine runs the target, false when its trial failed, undefined
 * when the update was given up.
 */
function update(model: Machine, target: Release, cuts: readonly Cut[]): boolean | undefined {
  const left = [...cuts];
  let passed = 0;
  let [tried, compared] = [false, false];
  for (let taken = 0; taken < 20; taken += 1) {
    const { running } = model;
    const step = nextStep({
      order: model.order,
      ...(model.next && { next: model.next }),
      running,
      runsTarget: running !== undefined && model.slots[running] === target,
      holdsTarget: running !== undefined && model.slots[otherSlot(running)] === target,
      isCompared: compared,
      holdsPast: running !== undefined && isPast(model, otherSlot(running)),
    });
    if (step === undefined) return true;
    if (step === 'finalize' && tried) return false;
    tried ||= step === 'restart';
    compared ||= step === 'compare';
    if (step === 'finalize') assert.ok(compared, 'nothing is tried before it was compared');
    if (step === 'stage' || step === 'expire') {
      assert.ok(running && !model.order.includes(otherSlot(running)), 'what is in the order is not written');
      assert.notEqual(model.next, otherSlot(running), 'what is tried next is not written');
    }
    const committed = model.order[0];
    const cut = left[0]?.after === passed ? left.shift() : undefined;
    passed = cut ? 0 : passed + 1;
    if (cut && step === 'stage') model.slots[otherSlot(running ?? 'A')] = 'torn';
    if (cut) {
      if (cut.how === 'power') boot(model);
      if (cut.how === 'end') return undefined;
      [tried, compared] = [false, false];
      assert.equal(model.order[0], committed);
      continue;
    }
    if (take(model, step, target) === 'left') return false;
    const inCommitted = model.slots[model.order[0] ?? 'A'];
    assert.ok(inCommitted && inCommitted !== 'torn' && inCommitted.isWell, `committed: ${mark(model)}`);
  }
  return assert.fail(`no end: ${mark(model)}`);
}

const releases = fc.array(
  fc.record({
    boots: fc.boolean(),
    isWell: fc.boolean(),
    raises: fc.boolean(),
    cuts: fc.array(
      fc.record({ after: fc.nat(8), how: fc.constantFrom<Cut['how'][]>('power', 'kill', 'end') }),
      { maxLength: 3 },
    ),
  }),
  { minLength: 1, maxLength: 6 },
);

test('after any interruption the committed slot is complete and healthy, and the next update completes', () => {
  fc.assert(
    fc.property(releases, (wanted) => {
      const model = machine();
      let current = first;
      const last = { boots: true, isWell: true, raises: false, cuts: [] };
      for (const [index, { boots, isWell, raises, cuts }] of [...wanted, last].entries()) {
        const target = { name: String(index), boots, isWell, epoch: model.epoch + (raises ? 1 : 0) };
        const arrived = update(model, target, cuts);
        if (arrived === undefined) {
          const committed = model.slots[model.order[0] ?? 'A'];
          assert.ok(committed === current || (committed === target && isWell));
          current = committed;
          continue;
        }
        assert.equal(arrived, boots && isWell);
        if (arrived) current = target;
        if (arrived) assert.ok(!(['A', 'B'] as const).some((slot) => isPast(model, slot)), mark(model));
        boot(model);
        assert.equal(model.running && model.slots[model.running], current);
        assert.equal(
          phaseOf(
            model.next ? { ...model, next: model.next } : { order: model.order, running: model.running },
          ),
          'committed',
        );
      }
    }),
    { numRuns: 500 },
  );
});

test('a slot that the firmware would boot is never written', () => {
  const slot = fc.constantFrom<Slot>('A', 'B');
  const seen = fc.record({
    order: fc.uniqueArray(slot),
    next: fc.option(slot, { nil: undefined }),
    running: fc.option(slot, { nil: undefined }),
    runsTarget: fc.boolean(),
    holdsTarget: fc.boolean(),
    isCompared: fc.boolean(),
    holdsPast: fc.boolean(),
  });
  fc.assert(
    fc.property(seen, ({ next, ...rest }) => {
      const step = nextStep({ ...rest, ...(next && { next }) });
      if (step === 'finalize' || step === 'restart') assert.ok(rest.isCompared);
      if (step !== 'stage' && step !== 'expire') return;
      assert.ok(rest.running && ![...rest.order, next].includes(otherSlot(rest.running)));
    }),
  );
});

test('an update to the running release cancels the trial of another', () => {
  const wanted = { runsTarget: true, holdsTarget: false, isCompared: true, holdsPast: false };
  assert.equal(nextStep({ order: ['A'], next: 'B', running: 'A', ...wanted }), 'retire');
  assert.equal(nextStep({ order: ['A'], running: 'A', ...wanted }), undefined);
});

test('the phase derives from boot order, next boot and active slot', () => {
  assert.equal(phaseOf({ order: ['A'], running: 'A' }), 'committed');
  assert.equal(phaseOf({ order: ['A', 'B'], running: undefined }), 'committed');
  assert.equal(phaseOf({ order: ['A'], next: 'B', running: 'A' }), 'finalized');
  assert.equal(phaseOf({ order: ['A'], next: 'B', running: undefined }), 'finalized');
  assert.equal(phaseOf({ order: ['A'], running: 'B' }), 'trial');
  assert.equal(phaseOf({ order: ['B', 'A'], running: 'A' }), 'degraded');
});
