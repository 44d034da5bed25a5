import type { Machine } from '../machine/machine.ts';
import { releaseUnused } from '../machine/unused-releases.ts';
import { checkEpoch } from '../release/epoch.ts';
import type { Sha256 } from '../release/manifest.ts';
import { type StoredRelease, storedRelease, withReleaseStore } from '../release/store.ts';
import { releaseIn } from './machine-slots.ts';
import type { Running } from './observe.ts';

/** Returns the releases that a machine's slots may hold. */
export async function keptReleases(machine: Machine): Promise<StoredRelease[]> {
  const { release, updates } = await machine.configuration();
  const found = await Promise.all([release, ...updates].map((digest) => storedRelease(machine.home, digest)));
  return found.filter((each) => each !== undefined);
}

/** Returns the running release; undefined when this host does not know it. Reads its slot only if several have its root. */
export async function runningRelease(
  machine: Machine,
  { running, rootHash }: Running,
): Promise<StoredRelease | undefined> {
  const kept = await keptReleases(machine);
  const found = kept.filter(({ manifest }) => manifest.root.rootHash === rootHash);
  return running === undefined || found.length < 2 ? found[0] : releaseIn(machine, running, found);
}

/** The known facts about the running release. */
export interface RunningKnown {
  /** Undefined when the machine is off, or this host does not know it. */
  readonly release: StoredRelease | undefined;
  readonly isTrial: boolean;
}

/**
 * Returns the releases that a machine's slots may hold during an update: all so far, without the one in the slot that is about
 * to be written. That is the inactive slot, or the active one of a trial; none is written when nothing is known.
 * @param kept the releases that its slots may have held so far.
 */
export function keptOnTheWay(
  kept: readonly Sha256[],
  { release, isTrial }: RunningKnown,
  target: Sha256,
): Sha256[] {
  const running = release?.digest;
  const stay = () => {
    if (running === undefined || running === target) return kept;
    return isTrial ? kept.filter((digest) => digest !== running) : [running];
  };
  return [...new Set([...stay(), target])];
}

/**
 * Brings a release into the store for a machine and records it, together with the releases that its slots may still hold: see
 * `keptOnTheWay`.
 * @param obtain brings the release into the store; no release is removed meanwhile.
 * @throws HoldfastError `release.epoch`; those of `Machine.locked` and `obtain`.
 */
export async function keepRelease(
  machine: Machine,
  obtain: () => Promise<StoredRelease>,
  running: RunningKnown,
): Promise<StoredRelease> {
  const { home, name } = machine;
  const keep = async () => {
    const target = await obtain();
    try {
      await machine.updateLocked((before) => {
        checkEpoch(target.manifest, before.epoch, 'machine');
        const { release } = before;
        const kept = keptOnTheWay([release, ...before.updates], running, target.digest);
        const updates = kept.filter((digest) => digest !== release); // always kept: the disk is based on it
        return { ...before, updates };
      });
      return target;
    } finally {
      await releaseUnused(home);
    }
  };
  // the machine's lock first and then the store's, as a deployment takes them
  return machine.locked('update', () => withReleaseStore(home, `update of ${name}`, keep));
}
