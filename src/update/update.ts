import { failure } from '../base/errors.ts';
import { withLock } from '../base/lock.ts';
import type { Slot } from '../disk/layout.ts';
import { setBootNext } from '../firmware/boot.ts';
import { otherSlot, type Phase, phaseOf } from '../firmware/slots.ts';
import { machineLayout } from '../machine/home.ts';
import type { StoredRelease } from '../release/store.ts';
import { type Advanced, advance, start } from './advance.ts';
import { changeVariables } from './boot-change.ts';
import { keepRelease, keptReleases, withRoot } from './kept-releases.ts';
import { type Machine, observeSlots, problemInSlot, type Running } from './observe.ts';
import { type Fetch, withRelease } from './obtain-release.ts';
import type { Step } from './plan.ts';
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
  return bring(machine, from, ['finalize', 'restart', 'judge', 'abandon']);
}

/**
 * Brings a machine to a release: written, read back, tried, checked, committed. One that is off and whose slots are all
 * destroyed comes back by it. Throws as `stageUpdate` does, and when the trial fails, which leaves the machine with the release
 * that it had.
 */
export function applyUpdate(machine: Machine, from: string): Promise<UpdateResult> {
  return bring(machine, from, []);
}

function bring(machine: Machine, from: string, before: readonly Step[]): Promise<UpdateResult> {
  return locked(machine, async () => {
    const isOffAndLost = before.length === 0 && (await isLost(machine));
    const running = isOffAndLost ? undefined : await observeRunning(machine);
    const { target, fetch } = await withRelease(machine, from, async (obtain, fetch) => ({
      target: await keepRelease(machine, obtain, running?.rootHash),
      fetch,
    }));
    const rescued = running ? undefined : await rescue(machine, target);
    const { steps, written } = await advance(machine, target, before);
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
    const [target] = withRoot(await keptReleases(machine), seen.rootHash);
    if (target === undefined) throw unknownRelease();
    return withVersion(target, await advance(machine, target));
  });
}

/**
 * Goes back: calls a trial off, or brings the machine to the release that its other slot holds, by a trial as any other.
 * @throws HoldfastError `update.no-other` when the other slot holds none; those of `advance`.
 */
export function rollBack(machine: Machine): Promise<UpdateResult | undefined> {
  return locked(machine, async () => {
    const seen = await observeRunning(machine);
    if (seen.next !== undefined) {
      await changeVariables(machine, (store) => setBootNext(store, undefined));
      return undefined;
    }
    const target = await releaseIn(machine, otherSlot(seen.running), await keptReleases(machine));
    if (target) return withVersion(target, await advance(machine, target));
    throw failure('update.no-other', 'there is no release to go back to', {
      why: `slot ${otherSlot(seen.running)} holds no whole release that this host knows`,
      next: 'apply the release that you want with `holdfast update apply --from DIR`',
    });
  });
}

/** Looks at both slots, every byte of the one that does not run. A machine that is off is started. */
export async function updateStatus(machine: Machine): Promise<UpdateStatus> {
  const seen = await observeRunning(machine);
  const releases = await keptReleases(machine);
  const other = otherSlot(seen.running);
  const inOther = await releaseIn(machine, other, releases);
  const [inRunning] = withRoot(releases, seen.rootHash);
  const versions = { [seen.running]: inRunning?.manifest.version, [other]: inOther?.manifest.version };
  return {
    phase: phaseOf(seen),
    committed: seen.order[0],
    running: seen.running,
    slots: { A: versions.A, B: versions.B },
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

async function releaseIn(
  machine: Machine,
  slot: Slot,
  releases: readonly StoredRelease[],
): Promise<StoredRelease | undefined> {
  for (const release of releases) {
    if ((await problemInSlot(machine, slot, release)) === undefined) return release;
  }
  return undefined;
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
