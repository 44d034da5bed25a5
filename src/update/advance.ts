import { auditMachine } from '../audit/audit.ts';
import { describe, failure, HoldfastError, isFailure } from '../base/errors.ts';
import type { Bytes } from '../base/size.ts';
import { type Slot, ukiPaths } from '../disk/layout.ts';
import { bootEntry, setBootEntry, setBootNext, setBootOrder } from '../firmware/boot.ts';
import { otherSlot, phaseOf } from '../firmware/slots.ts';
import { waitUntilReady } from '../lifecycle/readiness.ts';
import type { Machine } from '../machine/machine.ts';
import { type StoredRelease, storedPart } from '../release/store.ts';
import { startMachine, stopMachine } from '../supervisor/power.ts';
import { changeVariables, settleVariables } from './boot-change.ts';
import type { UpdateContext } from './context.ts';
import { expireOther, holdsPast, reachEpoch } from './epoch.ts';
import { problemsOf } from './health.ts';
import { problemInSlot, withDiskAndBase } from './machine-slots.ts';
import { observe } from './observe.ts';
import { findConflicts, refuseConflicts } from './overlay-conflicts.ts';
import { nextStep, type Step } from './plan.ts';
import { writeSlot } from './slot-content.ts';

/** The result of an update. */
export interface Advanced {
  /** In order; none when the release was committed already. */
  readonly steps: readonly Step[];
  /** Bytes written into the slot. */
  readonly written: Bytes;
  /** Whether the machine runs the release. */
  readonly runs: boolean;
}

/** How far an update goes. */
export interface Terms {
  /** The update ends before the first of these steps. */
  readonly before?: readonly Step[];
  /** Whether the machine's own changes are compared with those of the release. */
  readonly compare: boolean;
}

/** The effect of each step on a machine with this active slot. */
type Effects = Readonly<Record<Exclude<Step, 'start'>, (running: Slot) => Promise<void>>>;

/**
 * Takes the steps towards a release, observing the machine before each, until the release is committed or the next step is one
 * of `before`. Resumes an interrupted update where it stopped.
 * @throws HoldfastError `update.fell-back` when the trial did not come up, `update.conflicts`, `update.unhealthy`,
 *   `update.written`; those of the steps.
 */
export async function advance(
  update: UpdateContext,
  target: StoredRelease,
  { before = [], compare }: Terms,
): Promise<Advanced> {
  const { machine } = update;
  const taken: Step[] = [];
  const result = { written: 0 as Bytes };
  const slots = slotMemory(machine, target);
  const effects = effectsOn(update, target, slots, result);
  for (;;) {
    const seen = await observe(update, target, async (slot) => (await slots.problem(slot)) === undefined);
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
    await (step === 'start' || running === undefined ? bringUp(update) : effects[step](running));
    taken.push(step);
  }
}

/** Remembers how slots differ from a release: every byte of a slot is read once, and again only after it was written. */
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
  update: UpdateContext,
  target: StoredRelease,
  slots: ReturnType<typeof slotMemory>,
  result: { written: Bytes },
): Effects {
  const { machine, progress, signal } = update;

  const stop = (force: boolean) =>
    progress.step('Stopping the machine', () => stopMachine(machine, { force, signal }));
  const restart = async () => {
    await stop(false);
    try {
      await bringUp(update);
    } catch (error) {
      if (!isFailure(error, 'machine.boot-timeout')) throw error;
      await stop(true); // a hanging trial: any reset ends it
      await bringUp(update);
    }
  };

  return {
    retire: (running) =>
      changeVariables(update, (store) => setBootOrder(setBootNext(store, undefined), [running])),
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
        throw failure('update.written', `slot ${slot} differs from what was written into it`, {
          why: problem,
          next: "run the update again; if that does not help, check the host's disk",
        });
      }),
    compare: () =>
      progress.step('Comparing the machine with the release', async () => {
        const content = await storedPart(machine.home, target, 'overlays');
        refuseConflicts(await findConflicts(update, content), target.manifest);
      }),
    finalize: async (running) => {
      const { verity } = await machine.configuration();
      const slot = otherSlot(running);
      const entry = bootEntry(slot, ukiPaths[verity]);
      await changeVariables(update, (store) => setBootNext(setBootEntry(store, slot, entry), slot));
    },
    restart,
    judge: (running) =>
      progress.step('Checking its health', async () => {
        const { health } = await machine.configuration();
        const expected = { slot: running, rootHash: target.manifest.root.rootHash };
        const audit = async () => (await auditMachine(machine, signal)).results;
        const problems = await problemsOf(update.guest, audit, expected, health);
        if (problems.length === 0)
          return changeVariables(update, (store) => setBootOrder(store, [running, otherSlot(running)]));
        signal.throwIfAborted(); // an interrupted check says nothing about the release
        const unhealthy = (why: readonly string[], next: string) =>
          failure('update.unhealthy', `release ${target.manifest.version} is unhealthy on this machine`, {
            why: why.join('; '),
            next,
          });
        await restart().catch((error: unknown) => {
          signal.throwIfAborted();
          if (!(error instanceof HoldfastError)) throw error;
          throw unhealthy(
            [...problems, `and its trial does not end: ${describe(error)}`],
            'run `holdfast stop --force` and `holdfast start`: the machine then returns to the previous release',
          );
        });
        throw unhealthy(
          problems,
          'the machine returned to the previous release; see `holdfast logs` for its trial',
        );
      }),
    abandon: restart,
    expire: (running) => expireOther(machine, running),
  };
}

/** Starts a machine and waits until it is ready. */
export async function bringUp({ machine, progress, signal }: UpdateContext): Promise<void> {
  await startMachine(machine);
  await waitUntilReady(machine, progress, signal);
}

function fellBack({ manifest }: StoredRelease) {
  return failure('update.fell-back', `release ${manifest.version} did not come up on this machine`, {
    why: 'after its trial, the previous release runs',
    next: 'the machine runs as before; its console log and `holdfast logs` show what happened',
  });
}
