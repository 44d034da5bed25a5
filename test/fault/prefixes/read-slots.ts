import { open } from 'node:fs/promises';
import { type ReadAt, readAhead, readsOf } from '../../../src/base/read-ahead.ts';
import type { BlockDevice } from '../../../src/disk/block-device.ts';
import { backupSize, primarySize } from '../../../src/disk/gpt.ts';
import type { Range } from '../../../src/disk/image.ts';
import { type Slot, slotPartition } from '../../../src/disk/layout.ts';
import { blockSize } from '../../../src/verity/geometry.ts';
import type { KnownRelease } from '../cuts/known-release.ts';
import { type Digest, digestOf, SlotBlocks, type Wanted } from './slot-blocks.ts';

const names = ['loader', 'boot', 'root'] as const;

/** A slot as it is on disk, and as each release requires it. */
export async function readSlot(
  slot: Slot,
  disk: BlockDevice,
  releases: readonly KnownRelease[],
): Promise<SlotBlocks> {
  // the largest root of all releases; for a smaller one, the blocks behind it do not matter
  const wanted = await Promise.all(releases.map(wantedBy));
  const blocks = Math.max(...wanted.map((each) => each.length));
  let left = blocks * blockSize;
  const parts: Range[] = [];
  for (const name of names) {
    const { offset, size } = slotPartition(slot, name);
    parts.push({ offset, length: Math.min(size, left) });
    left -= Math.min(size, left);
  }
  const durable: Digest[] = [];
  for (const { offset, length } of parts) durable.push(...(await digests(readsOfDisk(disk, offset), length)));
  return new SlotBlocks(parts, durable, wanted);
}

async function wantedBy({ baseImage }: KnownRelease): Promise<Wanted> {
  const base = await open(baseImage, 'r');
  try {
    const { size } = await base.stat();
    const found: Digest[] = [];
    for (const name of names) {
      const { offset, size: most } = slotPartition('A', name);
      found.push(...(await digests(readsOf(base, offset), Math.min(most, size - offset))));
    }
    return found;
  } finally {
    await base.close();
  }
}

async function digests(source: ReadAt, length: number): Promise<Digest[]> {
  const found: Digest[] = [];
  for await (const { bytes } of readAhead(source, length))
    for (let at = 0; at < bytes.length; at += blockSize)
      found.push(digestOf(bytes.subarray(at, at + blockSize)));
  return found;
}

function readsOfDisk(disk: BlockDevice, offset: number): ReadAt {
  return (target, position) => disk.read(target, offset + position);
}

/** The offsets of the copies of the partition table. */
export function tablesOf({ size }: BlockDevice): Range[] {
  return [
    { offset: 0, length: primarySize },
    { offset: size - backupSize, length: backupSize },
  ];
}
