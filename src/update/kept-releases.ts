import { withLock } from '../base/lock.ts';
import type { Slot } from '../disk/layout.ts';
import { readConfiguration, writeConfiguration } from '../machine/configuration.ts';
import { machineLayout } from '../machine/paths.ts';
import { releaseUnused } from '../machine/unused-releases.ts';
import { checkEpoch } from '../release/epoch.ts';
import type { Sha256 } from '../release/manifest.ts';
import { type StoredRelease, storedRelease, withReleaseStore } from '../release/store.ts';
import { type Machine, problemInSlot, type Running } from './observe.ts';

/** The releases that a machine's slots may hold. */
export async function keptReleases({ layout, name }: Machine): Promise<StoredRelease[]> {
  const { release, updates } = await readConfiguration(layout, name);
  const found = await Promise.all([release, ...updates].map((digest) => storedRelease(layout, digest)));
  return found.filter((each) => each !== undefined);
}

/** The first of these releases that a slot holds, every byte checked. */
export async function releaseIn(
  machine: Machine,
  slot: Slot,
  releases: readonly StoredRelease[],
): Promise<StoredRelease | undefined> {
  for (const release of releases) {
    if ((await problemInSlot(machine, slot, release)) === undefined) return release;
  }
  return undefined;
}

/** The release that runs; undefined when this host does not know it. Its slot is read only when several have its root. */
export async function runningRelease(
  machine: Machine,
  { running, rootHash }: Running,
): Promise<StoredRelease | undefined> {
  const kept = await keptReleases(machine);
  const found = kept.filter(({ manifest }) => manifest.root.rootHash === rootHash);
  return running === undefined || found.length < 2 ? found[0] : releaseIn(machine, running, found);
}

/** What is known of what a machine runs. */
export interface RunningKnown {
  /** Undefined when the machine is off, or this host does not know it. */
  readonly release: StoredRelease | undefined;
  readonly isTrial: boolean;
}

/**
 * The releases that a machine's slots may hold on the way to another: what the slot holds that is about to be written goes.
 * That is the one that does not run, unless there is nothing to write or nothing known; of a trial, it is the one that runs.
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
 * Brings a release into the store for a machine, where it stays with what else its slots may hold: see `keptOnTheWay`.
 * @param obtain has the release in the store: called while nothing leaves it.
 * @param reached the latest epoch that the machine has committed.
 * @throws HoldfastError `lock.held`, `release.epoch`; what `obtain` throws.
 */
export async function keepRelease(
  machine: Machine,
  obtain: () => Promise<StoredRelease>,
  running: RunningKnown,
  reached: number,
): Promise<StoredRelease> {
  const { layout, name } = machine;
  const files = machineLayout(layout, name);
  const keep = async () => {
    const target = await obtain();
    try {
      checkEpoch(target.manifest, reached, 'machine');
      const configuration = await readConfiguration(layout, name);
      const { release } = configuration;
      const kept = keptOnTheWay([release, ...configuration.updates], running, target.digest);
      const updates = kept.filter((digest) => digest !== release); // that is always kept: the disk stands on it
      await writeConfiguration(files.configuration, { ...configuration, updates });
      return target;
    } finally {
      await releaseUnused(layout);
    }
  };
  // the machine's lock too, and first, as a deployment takes them: what other verbs write into machine.json must not be lost
  return withLock(files.lock, 'update', () => withReleaseStore(layout, `update of ${name}`, keep));
}
