import { auditMachine } from '../audit/audit.ts';
import { describe, failure, HoldfastError, isFailure } from '../base/errors.ts';
import type { Bytes } from '../base/size.ts';
import { type Slot, ukiPaths } from '../disk/layout.ts';
import { bootEntry, setBootEntry, setBootNext, setBootOrder } from '../firmware/boot.ts';
import { otherSlot, phaseOf } from '../firmware/slots.ts';
import { waitUntilReady } from '../lifecycle/readiness.ts';
import { readConfiguration } from '../machine/configuration.ts';
import { type StoredRelease, storedPart } from '../release/store.ts';
import { startMachine, stopMachine } from '../supervisor/power.ts';
import { changeVariables, settleVariables } from './boot-change.ts';
import { expireOther, holdsPast, reachEpoch } from './epoch.ts';
import { problemsOf } from './health.ts';
import { guestOf, type Machine, observe, problemInSlot, withDiskAndBase } from './observe.ts';
import { findConflicts, refuseConflicts } from './overlay-conflicts.ts';
import { nextStep, type Step } from './plan.ts';
import { writeSlot } from './slot-content.ts';

/** What an update did. */
export interface Advanced {
  /** In their order; none when the machine was there already. */
  readonly steps: readonly Step[];
  /** Written into the slot. */
  readonly written: Bytes;
  /** Whether the machine runs the release now. */
  readonly runs: boolean;
}

/** How a machine is brought to a release. */
export interface Terms {
  /** Steps that are not taken: the way ends before them. */
  readonly before?: readonly Step[];
  /** Whether what the machine changed is compared with what the release changes. */
  readonly compare: boolean;
}

/** How each step is taken on a machine of which this slot runs. */
type Effects = Readonly<Record<Exclude<Step, 'start'>, (running: Slot) => Promise<void>>>;

/**
 * Takes one step after the other towards a release, looking at the machine before each, until it is there or a step of
 * `before` would be the next. Whatever cut an earlier try off, this goes on where it stopped.
 * @throws HoldfastError `update.fell-back` when the trial did not come up, `update.conflicts`, `update.unhealthy`,
 *   `update.written`; those of the steps.
 */
export async function advance(
  machine: Machine,
  target: StoredRelease,
  { before = [], compare }: Terms,
): Promise<Advanced> {
  const taken: Step[] = [];
  const result = { written: 0 as Bytes };
  const slots = slotMemory(machine, target);
  const effects = effectsOn(machine, target, slots, result);
  for (;;) {
    const seen = await observe(machine, target, async (slot) => (await slots.problem(slot)) === undefined);
    const { running, runsTarget } = seen;
    if (running !== undefined && taken.length === 0) await settleVariables(machine);
    const isCommitted = runsTarget && phaseOf(seen) === 'committed';
    if (isCommitted) await reachEpoch(machine, target.manifest.epoch);
    const step = nextStep({
      ...seen,
      isCompared: !compare || taken.includes('compare'),
      holdsPast: isCommitted && running !== undefined && (await holdsPast(machine, otherSlot(running))),
    });
    if (step === undefined || before.includes(step)) return { steps: taken, ...result, runs: runsTarget };
    if (step === 'finalize' && taken.includes('restart')) throw fellBack(target);
    await (step === 'start' || running === undefined ? start(machine) : effects[step](running));
    taken.push(step);
  }
}

/** What keeps slots from being a release: every byte of one is read once, and again only when it was written. */
function slotMemory(machine: Machine, release: StoredRelease) {
  const known = new Map<Slot, Promise<string | undefined>>();
  return {
    problem(slot: Slot): Promise<string | undefined> {
      const found = known.get(slot) ?? problemInSlot(machine, slot, release);
      known.set(slot, found);
      return found;
    },
    forget: (slot: Slot) => known.delete(slot),
  };
}

function effectsOn(
  machine: Machine,
  target: StoredRelease,
  slots: ReturnType<typeof slotMemory>,
  result: { written: Bytes },
): Effects {
  const { layout, name, progress, signal } = machine;

  const stop = (force: boolean) =>
    progress.step('Stopping the machine', () => stopMachine(layout, name, force, signal));
  const restart = async () => {
    await stop(false);
    try {
      await start(machine);
    } catch (error) {
      if (!isFailure(error, 'machine.boot-timeout')) throw error;
      await stop(true); // a trial that hangs: any reset ends it
      await start(machine);
    }
  };

  return {
    retire: (running) =>
      changeVariables(machine, (store) => setBootOrder(setBootNext(store, undefined), [running])),
    stage: (running) =>
      progress.step('Writing the release', async (step) => {
        const slot = otherSlot(running);
        result.written = await withDiskAndBase(machine, target, (disk, base) =>
          writeSlot(disk, slot, base, step, signal),
        );
        slots.forget(slot);
        step.note('reading it back');
        const problem = await slots.problem(slot);
        if (problem === undefined) return;
        throw failure('update.written', `slot ${slot} does not hold what was written into it`, {
          why: problem,
          next: "run the update again; if that does not help, check the host's disk",
        });
      }),
    compare: () =>
      progress.step('Comparing the machine with the release', async () => {
        const content = await storedPart(layout, target, 'overlays');
        refuseConflicts(await findConflicts(machine, content), target.manifest);
      }),
    finalize: async (running) => {
      const { verity } = await readConfiguration(layout, name);
      const slot = otherSlot(running);
      const entry = bootEntry(slot, ukiPaths[verity]);
      await changeVariables(machine, (store) => setBootNext(setBootEntry(store, slot, entry), slot));
    },
    restart,
    judge: (running) =>
      progress.step('Checking its health', async () => {
        const { health } = await readConfiguration(layout, name);
        const expected = { slot: running, rootHash: target.manifest.root.rootHash };
        const audit = async () => (await auditMachine(layout, name, signal)).results;
        const problems = await problemsOf(guestOf(machine), audit, expected, health);
        if (problems.length === 0)
          return changeVariables(machine, (store) => setBootOrder(store, [running, otherSlot(running)]));
        signal.throwIfAborted(); // a check that was cut off says nothing of the release
        const unhealthy = (why: readonly string[], next: string) =>
          failure('update.unhealthy', `release ${target.manifest.version} is not well on this machine`, {
            why: why.join('; '),
            next,
          });
        await restart().catch((error: unknown) => {
          signal.throwIfAborted();
          if (!(error instanceof HoldfastError)) throw error;
          throw unhealthy(
            [...problems, `and its trial does not end: ${describe(error)}`],
            'run `holdfast stop --force` and `holdfast start`: the machine then goes back to the release before',
          );
        });
        throw unhealthy(
          problems,
          'the machine went back to the release before; see `holdfast logs` for its trial',
        );
      }),
    abandon: restart,
    expire: (running) => expireOther(machine, running),
  };
}

/** Starts a machine and waits until it is ready. */
export async function start({ layout, name, progress, signal }: Machine): Promise<void> {
  await startMachine(layout, name);
  await waitUntilReady(layout, name, progress, signal);
}

function fellBack({ manifest }: StoredRelease) {
  return failure('update.fell-back', `release ${manifest.version} did not come up on this machine`, {
    why: 'its trial ended in the release before',
    next: 'the machine runs as before; its console log and `holdfast logs` say what happened',
  });
}
