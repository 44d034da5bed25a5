import { failure, isFailure } from '../base/errors.ts';
import { withLock } from '../base/lock.ts';
import type { Slot } from '../disk/layout.ts';
import { setBootNext } from '../firmware/boot.ts';
import { otherSlot, type Phase, phaseOf } from '../firmware/slots.ts';
import { readConfiguration } from '../machine/configuration.ts';
import { machineLayout } from '../machine/paths.ts';
import { checkEpoch } from '../release/epoch.ts';
import type { StoredRelease } from '../release/store.ts';
import { stopMachine } from '../supervisor/power.ts';
import { type Advanced, advance, start, type Terms } from './advance.ts';
import { changeVariables } from './boot-change.ts';
import { machineEpoch } from './epoch.ts';
import { keepRelease, keptReleases, releaseIn, runningRelease } from './kept-releases.ts';
import { type Machine, observeSlots, type Running } from './observe.ts';
import { type Fetch, withRelease } from './obtain-release.ts';
import { isLost, rescue } from './rescue.ts';

export interface UpdateResult extends Advanced, Partial<Exclude<Fetch, undefined>> {
  /** The version that was wanted. */
  readonly version: string;
}

/** Where the updates of a machine stand. */
export interface UpdateStatus {
  readonly phase: Phase;
  readonly committed: Slot | undefined;
  readonly running: Slot | undefined;
  /** Version of the whole and unchanged release that each slot holds. */
  readonly slots: Readonly<Record<Slot, string | undefined>>;
}

/**
 * Writes a release into the slot that does not run, and reads it back. Nothing else changes.
 * @param from the directory of the release, or a repository: see `withRelease`.
 * @throws HoldfastError `update.trial` while a trial runs: the other slot is the committed one; those of `withRelease`, `keepRelease` and `advance`; `lock.held` when another update is under way.
 */
export function stageUpdate(machine: Machine, from: string): Promise<UpdateResult> {
  return bring(machine, from, {
    before: ['compare', 'finalize', 'restart', 'judge', 'abandon', 'expire'],
    compare: true,
  });
}

/**
 * Brings a machine to a release: written, read back, tried, checked, committed. One that is off and whose slots are all
 * destroyed comes back by it. Throws as `stageUpdate` does, and when the trial fails, which leaves the machine with the release
 * that it had.
 * @param acceptDrift goes on when files of the machine's own hide what the release changes.
 */
export function applyUpdate(machine: Machine, from: string, acceptDrift: boolean): Promise<UpdateResult> {
  return bring(machine, from, { compare: !acceptDrift });
}

function bring(machine: Machine, from: string, terms: Terms): Promise<UpdateResult> {
  return locked(machine, async () => {
    const isOffAndLost = terms.before === undefined && (await isLost(machine));
    const seen = isOffAndLost ? undefined : await observeRunning(machine);
    const isTrial = seen !== undefined && phaseOf(seen) === 'trial';
    if (isTrial && terms.before) throw trialUnderWay();
    const running = { release: seen && (await runningRelease(machine, seen)), isTrial };
    const reached = await machineEpoch(machine);
    const { target, fetch } = await withRelease(machine, from, async (obtain, fetch) => ({
      target: await keepRelease(machine, obtain, running, reached),
      fetch,
    }));
    const rescued = seen ? undefined : await rescue(machine, target);
    const advanced = await advance(machine, target, terms);
    const all = rescued
      ? { ...advanced, steps: [...rescued.steps, ...advanced.steps], written: rescued.written }
      : advanced;
    return { ...fetch, ...withVersion(target, all) };
  });
}

/**
 * Checks the trial that runs, and commits it.
 * @returns undefined when there is none.
 * @throws HoldfastError those of `advance`.
 */
export function commitTrial(machine: Machine): Promise<UpdateResult | undefined> {
  return locked(machine, async () => {
    const seen = await observeRunning(machine);
    if (phaseOf(seen) === 'committed' || phaseOf(seen) === 'finalized') return undefined;
    const target = await runningRelease(machine, seen);
    if (target === undefined) throw unknownRelease();
    return withVersion(target, await advance(machine, target, { compare: false }));
  });
}

/**
 * Goes back: calls a trial off, or brings the machine to the release that its other slot holds, by a trial as any other.
 * What the machine changed is not compared: who goes back is in need, and had that release before.
 * @throws HoldfastError `release.epoch`, `update.no-other` when the other slot holds none; those of `advance`.
 */
export function rollBack(machine: Machine): Promise<UpdateResult | undefined> {
  return locked(machine, async () => {
    const seen = await observeRunning(machine);
    if (seen.next !== undefined) {
      await changeVariables(machine, (store) => setBootNext(store, undefined));
      return undefined;
    }
    const target = await releaseIn(machine, otherSlot(seen.running), await keptReleases(machine));
    if (target) {
      // what was committed counts, also when that was cut off before it was noted
      const committed = phaseOf(seen) === 'committed' ? await runningRelease(machine, seen) : undefined;
      const reached = Math.max(await machineEpoch(machine), committed?.manifest.epoch ?? 0);
      checkEpoch(target.manifest, reached, 'machine');
      return withVersion(target, await advance(machine, target, { compare: false }));
    }
    throw failure('update.no-other', 'there is no release to go back to', {
      why: `slot ${otherSlot(seen.running)} holds no whole release that this host knows`,
      next: 'apply the release that you want with `holdfast update apply --from DIR`',
    });
  });
}

/** Looks at both slots, every byte of those that do not run. Nothing is started: of a machine that is off, its files tell. */
export async function updateStatus(machine: Machine): Promise<UpdateStatus> {
  const seen = await observeSlots(machine);
  const releases = await keptReleases(machine);
  const versionIn = async (slot: Slot) => {
    const isRunning = slot === seen.running;
    const found = await (isRunning ? runningRelease(machine, seen) : releaseIn(machine, slot, releases));
    return found?.manifest.version;
  };
  return {
    phase: phaseOf(seen),
    committed: seen.order[0],
    running: seen.running,
    slots: { A: await versionIn('A'), B: await versionIn('B') },
  };
}

async function locked<T>({ layout, name }: Machine, work: () => Promise<T>): Promise<T> {
  await readConfiguration(layout, name); // there is such a machine
  return withLock(machineLayout(layout, name).updateLock, 'update', work);
}

/** As `observeSlots`, of a machine that is started first when it is off, and once anew when it does not come up. */
async function observeRunning(machine: Machine): Promise<Running & { readonly running: Slot }> {
  for (let isAnew = false; ; ) {
    try {
      const seen = await observeSlots(machine);
      if (seen.running !== undefined) return { ...seen, running: seen.running };
      await start(machine);
    } catch (error) {
      const hangs = isFailure(error, 'machine.boot-timeout');
      if (!hangs || isAnew) throw error;
      isAnew = true;
      // it may be a trial, left alone by whoever began it: any reset ends that
      await stopMachine(machine.layout, machine.name, true, machine.signal);
    }
  }
}

function withVersion({ manifest }: StoredRelease, advanced: Advanced): UpdateResult {
  return { version: manifest.version, ...advanced };
}

function trialUnderWay() {
  return failure('update.trial', 'a release is on trial: nothing can be staged', {
    why: 'the slot that does not run holds the committed release',
    next: 'run `holdfast update commit`, or `holdfast update rollback`, first',
  });
}

function unknownRelease() {
  return failure('update.unknown', 'the machine runs a release that this host does not know', {
    why: 'no release in the store has its root hash',
    next: 'run `holdfast update rollback`, or apply a release that you have',
  });
}
