import { auditMachine } from '../audit/audit.ts';
import { describe, failure, HoldfastError } from '../base/errors.ts';
import type { Bytes } from '../base/size.ts';
import { type Slot, ukiPaths } from '../disk/layout.ts';
import { bootEntry, setBootEntry, setBootNext, setBootOrder } from '../firmware/boot.ts';
import { otherSlot } from '../firmware/slots.ts';
import { writeSlot } from '../release/slot-content.ts';
import { type StoredRelease, storedPart } from '../release/store.ts';
import { changeVariables } from './boot-change.ts';
import type { UpdateContext } from './context.ts';
import { expireOther } from './epoch.ts';
import { problemsOf } from './health.ts';
import { problemInSlot, withDiskAndBase } from './machine-slots.ts';
import { findConflicts, requireNoConflicts } from './overlay-conflicts.ts';
import type { Step } from './plan.ts';
import { restart } from './restart.ts';

/** An update to one release, and what its steps remember. */
export class UpdateRun {
  readonly update: UpdateContext;
  readonly target: StoredRelease;
  /** Bytes written into the slot. */
  written = 0 as Bytes;
  readonly #problems = new Map<Slot, Promise<string | undefined>>();

  constructor(update: UpdateContext, target: StoredRelease) {
    this.update = update;
    this.target = target;
  }

  /** Returns how a slot differs from the release. Every byte is read once, and again only after `forget`. */
  problemIn(slot: Slot): Promise<string | undefined> {
    const found = this.#problems.get(slot) ?? problemInSlot(this.update.machine, slot, this.target);
    this.#problems.set(slot, found);
    return found;
  }

  /** Forgets what was read of a slot that was written since. */
  forget(slot: Slot): void {
    this.#problems.delete(slot);
  }
}

/** The effect of a step on a machine with this active slot. */
type Effect = (run: UpdateRun, running: Slot) => Promise<void>;

export const effects: Readonly<Record<Exclude<Step, 'start'>, Effect>> = {
  retire: ({ update }, running) =>
    changeVariables(update, (store) => setBootOrder(setBootNext(store, undefined), [running])),
  stage,
  compare: ({ update, target }) =>
    update.progress.step('Comparing the machine with the release', async () => {
      const content = await storedPart(update.machine.home, target, 'overlays');
      requireNoConflicts(await findConflicts(update, content), target.manifest);
    }),
  finalize: async ({ update }, running) => {
    const { verity } = await update.machine.configuration();
    const slot = otherSlot(running);
    const entry = bootEntry(slot, ukiPaths[verity]);
    await changeVariables(update, (store) => setBootNext(setBootEntry(store, slot, entry), slot));
  },
  restart: async ({ update }) => {
    await restart(update);
  },
  judge,
  abandon: async ({ update }) => {
    await restart(update);
  },
  expire: ({ update }, running) => expireOther(update.machine, running),
};

function stage(run: UpdateRun, running: Slot): Promise<void> {
  const { machine, progress, signal } = run.update;
  const slot = otherSlot(running);
  return progress.step('Writing the release', async (step) => {
    run.written = await withDiskAndBase(machine, run.target, (disk, base) =>
      writeSlot(disk, slot, base, step, signal),
    );
    run.forget(slot);
    step.note('reading it back');
    const problem = await run.problemIn(slot);
    if (problem === undefined) return;
    throw failure('update.written', `slot ${slot} differs from what was written into it`, {
      why: problem,
      next: "run the update again; if that does not help, check the host's disk",
    });
  });
}

function judge({ update, target }: UpdateRun, running: Slot): Promise<void> {
  const { machine, progress, signal } = update;
  return progress.step('Checking its health', async () => {
    const { health } = await machine.configuration();
    const expected = { slot: running, rootHash: target.manifest.root.rootHash };
    const audit = async () => (await auditMachine(machine, signal)).results;
    const problems = await problemsOf(update, audit, expected, health);
    if (problems.length === 0)
      return changeVariables(update, (store) => setBootOrder(store, [running, otherSlot(running)]));
    signal.throwIfAborted(); // an interrupted check is no verdict on the release
    throw await endTrial(update, target, problems);
  });
}

/** Restarts the machine into its previous release. Returns the error to throw. */
async function endTrial(
  update: UpdateContext,
  { manifest }: StoredRelease,
  problems: readonly string[],
): Promise<HoldfastError> {
  const unhealthy = (why: readonly string[], next: string) =>
    failure('update.unhealthy', `release ${manifest.version} is unhealthy on this machine`, {
      why: why.join('; '),
      next,
    });
  try {
    await restart(update);
  } catch (error) {
    update.signal.throwIfAborted();
    if (!(error instanceof HoldfastError)) throw error;
    return unhealthy(
      [...problems, `and its trial does not end: ${describe(error)}`],
      'run `holdfast stop --force` and `holdfast start`: the machine then returns to the previous release',
    );
  }
  return unhealthy(
    problems,
    'the machine returned to the previous release; see `holdfast logs` for its trial',
  );
}
