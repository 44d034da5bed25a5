import { failure } from '../base/errors.ts';
import type { Bytes } from '../base/size.ts';
import { otherSlot, phaseOf } from '../firmware/slots.ts';
import type { StoredRelease } from '../release/store.ts';
import { settleVariables } from './boot-change.ts';
import type { UpdateContext } from './context.ts';
import { holdsPast, reachEpoch } from './epoch.ts';
import { observe } from './observe.ts';
import { nextStep, type Step } from './plan.ts';
import { bringUp } from './restart.ts';
import { effects, UpdateRun } from './steps.ts';

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
  const run = new UpdateRun(update, target);
  const taken: Step[] = [];
  for (;;) {
    const seen = await observe(update, target, async (slot) => (await run.problemIn(slot)) === undefined);
    const { running, runsTarget } = seen;
    if (running !== undefined && taken.length === 0) await settleVariables(machine);
    const isCommitted = runsTarget && phaseOf(seen) === 'committed';
    if (isCommitted) await reachEpoch(machine, target.manifest.epoch);
    const step = nextStep({
      ...seen,
      isCompared: !compare || taken.includes('compare'),
      holdsPast: isCommitted && running !== undefined && (await holdsPast(machine, otherSlot(running))),
    });
    if (step === undefined || before.includes(step))
      return { steps: taken, written: run.written, runs: runsTarget };
    if (step === 'finalize' && hasTried(taken)) throw fellBack(target);
    if (step === 'start' || running === undefined) await bringUp(update);
    else await effects[step](run, running);
    taken.push(step);
  }
}

/** Returns whether a trial began: `finalize` includes its start when the variables were written while the machine was off. */
function hasTried(taken: readonly Step[]): boolean {
  return taken.includes('restart') || taken.includes('finalize');
}

function fellBack({ manifest }: StoredRelease) {
  return failure('update.fell-back', `release ${manifest.version} did not come up on this machine`, {
    why: 'after its trial, the previous release runs',
    next: 'the machine runs as before; its console log and `holdfast logs` show what happened',
  });
}
