import { failure } from '../base/errors.ts';
import { withLock } from '../base/lock.ts';
import type { Slot } from '../disk/layout.ts';
import { setBootNext } from '../firmware/boot.ts';
import { otherSlot, type Phase, phaseOf } from '../firmware/slots.ts';
import { machineLayout } from '../machine/home.ts';
import { checkEpoch } from '../release/epoch.ts';
import type { StoredRelease } from '../release/store.ts';
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
 * @param from the folder of the release, or a repository: see `withRelease`.
 * @throws HoldfastError those of `withRelease`, `keepRelease` and `advance`; `lock.held` when another update is under way.
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
    const running = seen && (await runningRelease(machine, seen));
    const reached = await machineEpoch(machine);
    const { target, fetch } = await withRelease(machine, from, async (obtain, fetch) => ({
      target: await keepRelease(machine, obtain, running, reached),
      fetch,
    }));
    const rescued = seen ? undefined : await rescue(machine, target);
    const { steps, written } = await advance(machine, target, terms);
    const all = rescued
      ? { steps: [...rescued.steps, ...steps], written: rescued.written }
      : { steps, written };
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
      checkEpoch(target.manifest, await machineEpoch(machine), 'machine');
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

function locked<T>({ layout, name }: Machine, work: () => Promise<T>): Promise<T> {
  return withLock(machineLayout(layout, name).updateLock, 'update', work);
}

/** As `observeSlots`, of a machine that is started first when it is off. */
async function observeRunning(machine: Machine): Promise<Running & { readonly running: Slot }> {
  for (;;) {
    const seen = await observeSlots(machine);
    if (seen.running !== undefined) return { ...seen, running: seen.running };
    await start(machine);
  }
}

function withVersion({ manifest }: StoredRelease, advanced: Advanced): UpdateResult {
  return { version: manifest.version, ...advanced };
}

function unknownRelease() {
  return failure('update.unknown', 'the machine runs a release that this host does not know', {
    why: 'no release in the store has its root hash',
    next: 'run `holdfast update rollback`, or apply a release that you have',
  });
}
