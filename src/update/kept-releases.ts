import { withLock } from '../base/lock.ts';
import { readConfiguration, writeConfiguration } from '../machine/configuration.ts';
import { machineLayout } from '../machine/home.ts';
import { releaseUnused } from '../machine/unused-releases.ts';
import { type StoredRelease, storedRelease, withReleaseStore } from '../release/store.ts';
import type { RootHash } from '../verity/root-hash.ts';
import type { Machine } from './observe.ts';

/** The releases that a machine's slots may hold. */
export async function keptReleases({ layout, name }: Machine): Promise<StoredRelease[]> {
  const { release, updates } = await readConfiguration(layout, name);
  const found = await Promise.all([release, ...updates].map((digest) => storedRelease(layout, digest)));
  return found.filter((each) => each !== undefined);
}

/** Those with this root: the releases that may be what runs. */
export function withRoot(
  releases: readonly StoredRelease[],
  rootHash: RootHash | undefined,
): StoredRelease[] {
  return releases.filter(({ manifest }) => manifest.root.rootHash === rootHash);
}

/**
 * Brings a release into the store for a machine. What the slot that runs holds is kept too; what the other may hold goes,
 * as it is about to be written.
 * @param obtain has the release in the store: called while nothing leaves it.
 * @param running the root that runs.
 * @throws HoldfastError `lock.held`; what `obtain` throws.
 */
export async function keepRelease(
  machine: Machine,
  obtain: () => Promise<StoredRelease>,
  running: RootHash | undefined,
): Promise<StoredRelease> {
  const { layout, name } = machine;
  const files = machineLayout(layout, name);
  const keep = async () => {
    const target = await obtain();
    const configuration = await readConfiguration(layout, name);
    const stays = withRoot(await keptReleases(machine), running);
    const updates = [...stays, target]
      .map(({ digest }) => digest)
      .filter((digest, index, all) => digest !== configuration.release && all.indexOf(digest) === index);
    await writeConfiguration(files.configuration, { ...configuration, updates });
    await releaseUnused(layout);
    return target;
  };
  // the machine's lock too, and first, as a deployment takes them: what other verbs write into machine.json must not be lost
  return withLock(files.lock, 'update', () => withReleaseStore(layout, `update of ${name}`, keep));
}
