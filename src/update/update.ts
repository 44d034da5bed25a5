import { failure, isFailure } from '../base/errors.ts';
import { withLock } from '../base/lock.ts';
import type { Slot } from '../disk/layout.ts';
import { setBootNext } from '../firmware/boot.ts';
import { otherSlot, type Phase, phaseOf } from '../firmware/slots.ts';
import { isAsReleased } from '../machine/as-released.ts';
import type { Machine } from '../machine/machine.ts';
import { checkEpoch } from '../release/epoch.ts';
import type { Sha256 } from '../release/manifest.ts';
import type { StoredRelease } from '../release/store.ts';
import { stopMachine } from '../supervisor/power.ts';
import { type Advanced, advance, type Terms } from './advance.ts';
import { changeVariables } from './boot-change.ts';
import type { UpdateContext } from './context.ts';
import { keepRelease, keptReleases, runningRelease } from './kept-releases.ts';
import { releaseIn } from './machine-slots.ts';
import { observeSlots, type Running } from './observe.ts';
import { type Fetch, withRelease } from './obtain-release.ts';
import { isLost, rescue } from './rescue.ts';
import { bringUp } from './restart.ts';

export interface UpdateResult extends Advanced, Partial<Exclude<Fetch, undefined>> {
  /** Version of the wanted release. */
  readonly version: string;
}

/** The update status of a machine. */
export interface UpdateStatus {
  readonly phase: Phase;
  readonly committed: Slot | undefined;
  readonly running: Slot | undefined;
  /** Version of the intact release in each slot. */
  readonly slots: Readonly<Record<Slot, string | undefined>>;
  /** Digest of that release. */
  readonly digests: Readonly<Record<Slot, Sha256 | undefined>>;
}

/**
 * Writes a release into the inactive slot and reads it back. Nothing else changes.
 * @param from the directory of a release, or a repository: see `withRelease`.
 * @throws HoldfastError `update.trial` during a trial, when the inactive slot is the committed one; `lock.held` during another
 *   update; those of `withRelease`, `keepRelease` and `advance`.
 */
export function stageUpdate(update: UpdateContext, from: string): Promise<UpdateResult> {
  return bring(update, from, {
    before: ['compare', 'finalize', 'restart', 'judge', 'abandon', 'expire'],
    compare: true,
  });
}

/**
 * Installs a release: writes it, reads it back, boots it on trial, checks and commits it. Recovers a machine that is off and whose
 * slots are all destroyed. A failed trial leaves the machine with its previous release.
 * @param acceptDrift continues when files of the machine hide changes of the release.
 * @throws HoldfastError those of `stageUpdate` and `advance`.
 */
export function applyUpdate(
  update: UpdateContext,
  from: string,
  acceptDrift: boolean,
): Promise<UpdateResult> {
  return bring(update, from, { compare: !acceptDrift });
}

function bring(update: UpdateContext, from: string, terms: Terms): Promise<UpdateResult> {
  return locked(update, async (machine) => {
    const isOffAndLost = terms.before === undefined && (await isLost(machine));
    const seen = isOffAndLost ? undefined : await observeRunning(update);
    const isTrial = seen !== undefined && phaseOf(seen) === 'trial';
    if (isTrial && terms.before) throw trialUnderWay();
    const running = { release: seen && (await runningRelease(machine, seen)), isTrial };
    const { target, fetch } = await withRelease(update, from, async (obtain, fetch) => ({
      target: await keepRelease(machine, obtain, running),
      fetch,
    }));
    const rescued = seen ? undefined : await rescue(update, target);
    const advanced = await advance(update, target, terms);
    const all = rescued
      ? { ...advanced, steps: [...rescued.steps, ...advanced.steps], written: rescued.written }
      : advanced;
    return { ...fetch, ...withVersion(target, all) };
  });
}

/**
 * Checks the running trial, and commits it.
 * @returns undefined when there is no trial.
 * @throws HoldfastError those of `advance`.
 */
export function commitTrial(update: UpdateContext): Promise<UpdateResult | undefined> {
  return locked(update, async (machine) => {
    const seen = await observeRunning(update);
    if (phaseOf(seen) === 'committed' || phaseOf(seen) === 'finalized') return undefined;
    const target = await runningRelease(machine, seen);
    if (target === undefined) throw unknownRelease();
    return withVersion(target, await advance(update, target, { compare: false }));
  });
}

/**
 * Cancels a pending trial, or else returns to the release in the other slot, by a trial like any other. The machine's changes are
 * not compared: a rollback is urgent, and the machine ran that release before.
 * @throws HoldfastError `release.epoch`, `update.no-other` when the other slot holds none; those of `advance`.
 */
export function rollBack(update: UpdateContext): Promise<UpdateResult | undefined> {
  return locked(update, async (machine) => {
    const seen = await observeRunning(update);
    if (seen.next !== undefined) {
      await changeVariables(update, (store) => setBootNext(store, undefined));
      return undefined;
    }
    const target = await releaseIn(machine, otherSlot(seen.running), await keptReleases(machine));
    if (target) {
      // the committed release counts, also when the commit was interrupted before it was recorded
      const committed = phaseOf(seen) === 'committed' ? await runningRelease(machine, seen) : undefined;
      const reached = Math.max((await machine.configuration()).epoch, committed?.manifest.epoch ?? 0);
      checkEpoch(target.manifest, reached, 'machine');
      return withVersion(target, await advance(update, target, { compare: false }));
    }
    throw failure('update.no-other', 'there is no release to return to', {
      why: `slot ${otherSlot(seen.running)} holds no intact release that this host knows`,
      next: 'install a release with `holdfast update apply --from DIR`',
    });
  });
}

/** Reads both slots, every byte of an inactive one. Does not start a machine that is off. */
export async function updateStatus(update: UpdateContext): Promise<UpdateStatus> {
  const { machine } = update;
  const seen = await observeSlots(update);
  const releases = await keptReleases(machine);
  const foundIn = (slot: Slot) => {
    const isRunning = slot === seen.running;
    return isRunning ? runningRelease(machine, seen) : releaseIn(machine, slot, releases);
  };
  const [inA, inB] = [await foundIn('A'), await foundIn('B')];
  return {
    phase: phaseOf(seen),
    committed: seen.order[0],
    running: seen.running,
    slots: { A: inA?.manifest.version, B: inB?.manifest.version },
    digests: { A: inA?.digest, B: inB?.digest },
  };
}

/** Runs `work` while no other update of the machine runs, and with what the last one wrote. */
async function locked<T>({ machine }: UpdateContext, work: (machine: Machine) => Promise<T>): Promise<T> {
  await machine.configuration(); // no lock file for a machine that does not exist
  return withLock(machine.paths.updateLock, 'update', async () => {
    await machine.reload();
    await requireOrdinaryStart(machine);
    return work(machine);
  });
}

/** An update would end a start as released without a word. @throws HoldfastError `machine.as-released`. */
async function requireOrdinaryStart({ name, paths }: Machine): Promise<void> {
  if (!(await isAsReleased(paths.secrets))) return;
  throw failure('machine.as-released', `cannot update the machine '${name}': it was started as released`, {
    why: 'an update starts it with everything that it has kept',
    next: 'run `holdfast restart`, or `holdfast start` if it is off, and then update it',
  });
}

/** Observes the slots of a machine, which is started first when it is off, and started once more when it does not come up. */
async function observeRunning(update: UpdateContext): Promise<Running & { readonly running: Slot }> {
  for (let isRetry = false; ; ) {
    try {
      const seen = await observeSlots(update);
      if (seen.running !== undefined) return { ...seen, running: seen.running };
      await bringUp(update);
    } catch (error) {
      const hangs = isFailure(error, 'machine.boot-timeout');
      if (!hangs || isRetry) throw error;
      isRetry = true;
      // it may be an abandoned trial: any reset ends it
      await stopMachine(update.machine, { force: true, signal: update.signal });
    }
  }
}

function withVersion({ manifest }: StoredRelease, advanced: Advanced): UpdateResult {
  return { version: manifest.version, ...advanced };
}

function trialUnderWay() {
  return failure('update.trial', 'cannot stage while a trial is in progress', {
    why: 'the inactive slot holds the committed release',
    next: 'run `holdfast update commit` or `holdfast update rollback` first',
  });
}

function unknownRelease() {
  return failure('update.unknown', 'the machine runs a release that this host does not know', {
    why: 'no release in the store has its root hash',
    next: 'run `holdfast update rollback`, or apply another release',
  });
}
