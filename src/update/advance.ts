import { auditMachine } from '../audit/audit.ts';
import { failure, HoldfastError } from '../base/errors.ts';
import type { Bytes } from '../base/size.ts';
import { type Slot, ukiPaths } from '../disk/layout.ts';
import { bootEntry, setBootEntry, setBootNext, setBootOrder } from '../firmware/boot.ts';
import { otherSlot } from '../firmware/slots.ts';
import { readConfiguration } from '../machine/configuration.ts';
import { startMachine, stopMachine } from '../machine/power.ts';
import { waitUntilReady } from '../machine/readiness.ts';
import type { StoredRelease } from '../release/store.ts';
import { changeVariables } from './boot-change.ts';
import { problemsOf } from './health.ts';
import { guestOf, type Machine, observe, problemInSlot, withDiskAndBase } from './observe.ts';
import { nextStep, type Step } from './plan.ts';
import { writeSlot } from './slot-content.ts';

/** What an update did. */
export interface Advanced {
  /** In their order; none when the machine was there already. */
  readonly steps: readonly Step[];
  /** Written into the slot. */
  readonly written: Bytes;
}

/** How each step is taken on a machine of which this slot runs. */
type Effects = Readonly<Record<Exclude<Step, 'start'>, (running: Slot) => Promise<void>>>;

/**
 * Takes one step after the other towards a release, looking at the machine before each, until it is there or a step of
 * `before` would be the next. Whatever cut an earlier try off, this goes on where it stopped.
 * @throws HoldfastError `update.fell-back` when the trial did not come up, `update.unhealthy`, `update.written`; those of
 *   the steps.
 */
export async function advance(
  machine: Machine,
  target: StoredRelease,
  before: readonly Step[] = [],
): Promise<Advanced> {
  const taken: Step[] = [];
  const result = { written: 0 as Bytes };
  const effects = effectsOn(machine, target, result);
  for (;;) {
    const seen = await observe(machine, target);
    const step = nextStep(seen);
    if (step === undefined || before.includes(step)) return { steps: taken, ...result };
    if (step === 'finalize' && taken.includes('restart')) throw fellBack(target);
    await (step === 'start' || seen.running === undefined ? start(machine) : effects[step](seen.running));
    taken.push(step);
  }
}

function effectsOn(machine: Machine, target: StoredRelease, result: { written: Bytes }): Effects {
  const { layout, name, progress, signal } = machine;

  const stop = (force: boolean) =>
    progress.step('Stopping the machine', () => stopMachine(layout, name, force, signal));
  const restart = async () => {
    await stop(false);
    try {
      await start(machine);
    } catch (error) {
      if (!(error instanceof HoldfastError && error.code === 'machine.boot-timeout')) throw error;
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
        step.note('reading it back');
        const problem = await problemInSlot(machine, slot, target);
        if (problem === undefined) return;
        throw failure('update.written', `slot ${slot} does not hold what was written into it`, {
          why: problem,
          next: "run the update again; if that does not help, check the host's disk",
        });
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
        await restart();
        throw failure('update.unhealthy', `release ${target.manifest.version} is not well on this machine`, {
          why: problems.join('; '),
          next: 'the machine went back to the release before; see `holdfast logs` for its trial',
        });
      }),
    abandon: restart,
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
