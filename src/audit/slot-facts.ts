import { chunkSize } from '../base/read-ahead.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import type { DiskImages } from '../disk/image.ts';
import { type Slot, slotPartition } from '../disk/layout.ts';
import type { Sha256 } from '../release/manifest.ts';
import { partNames, partProblem, withBase } from '../release/slot-content.ts';
import { type StoreDirectories, storedRelease } from '../release/store.ts';

/** What a partition of a slot holds: a release, nothing, or something else. */
export type PartContent =
  | { readonly version: string }
  | { readonly problem: 'empty' }
  | { readonly problem: 'other'; readonly why: string };

/** The content of the slots' partitions. */
export type SlotContents = Readonly<Record<Slot, Readonly<Record<(typeof partNames)[number], PartContent>>>>;

/**
 * Compares every byte of both slots with the releases that they may hold, without the guest. The guest may write at the same time:
 * what it has not flushed is not seen.
 * @throws HoldfastError those of `DiskImages.open` and `storedRelease`.
 */
export async function readSlots(
  images: DiskImages,
  path: string,
  store: StoreDirectories,
  digests: readonly Sha256[],
): Promise<SlotContents> {
  return images.open(path, 'read', async (disk) => {
    const slotOf = async (slot: Slot) => {
      const parts: [string, PartContent][] = [];
      for (const name of partNames) parts.push([name, await contentOf(disk, slot, name, store, digests)]);
      return Object.fromEntries(parts) as SlotContents[Slot];
    };
    return { A: await slotOf('A'), B: await slotOf('B') };
  });
}

async function contentOf(
  disk: BlockDevice,
  slot: Slot,
  name: (typeof partNames)[number],
  store: StoreDirectories,
  digests: readonly Sha256[],
): Promise<PartContent> {
  const start = await disk.read(Buffer.alloc(chunkSize), slotPartition(slot, name).offset);
  if (start.every((byte) => byte === 0)) return { problem: 'empty' };
  let why = 'this host has no release to compare it with';
  for (const digest of digests) {
    const release = await storedRelease(store, digest);
    if (release === undefined) continue;
    const problem: string | undefined = await withBase(release, (base) =>
      partProblem(disk, slot, name, base, release.manifest),
    );
    if (problem === undefined) return { version: release.manifest.version };
    why = problem;
  }
  return { problem: 'other', why };
}
