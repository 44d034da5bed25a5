import { type FileHandle, open } from 'node:fs/promises';
import { describe, isFailure } from '../base/errors.ts';
import type { ProgressStep } from '../base/progress.ts';
import { chunkSize, type ReadAt, readAhead, readsOf } from '../base/read-ahead.ts';
import type { Bytes } from '../base/size.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { type Slot, slotPartition } from '../disk/layout.ts';
import { blockSize } from '../verity/geometry.ts';
import { verifyContent } from '../verity/verify.ts';
import type { ReleaseManifest } from './manifest.ts';
import type { StoredRelease } from './store.ts';

/*
 * The base image of a release holds the three partitions of slot A. Their content does not depend on the slot, so the same bytes
 * serve both.
 */

/** A partition of a slot: its place on the disk, and its bytes in the base image. */
interface Part {
  readonly source: ReadAt;
  readonly offset: number;
  readonly length: number;
}

/** Opens the base image of a release while `work` runs. */
export async function withBase<T>(
  { baseImage }: Pick<StoredRelease, 'baseImage'>,
  work: (base: FileHandle) => Promise<T>,
): Promise<T> {
  const base = await open(baseImage, 'r');
  try {
    return await work(base);
  } finally {
    await base.close();
  }
}

type PartName = 'loader' | 'boot' | 'root';

/** The parts of a slot, in the order of their partitions. */
export const partNames: readonly PartName[] = ['loader', 'boot', 'root'];

async function partOf(base: FileHandle, slot: Slot, name: PartName): Promise<Part> {
  const { size } = await base.stat();
  const from = slotPartition('A', name);
  const length = Math.min(from.size, size - from.offset);
  return { source: readsOf(base, from.offset), offset: slotPartition(slot, name).offset, length };
}

/**
 * Writes a release into a slot: only the blocks that differ, so that an interrupted write resumes. The data is on the medium when
 * the promise resolves.
 * @param base the release's base image.
 * @returns how many bytes were written.
 * @throws HoldfastError `disk.device`; the signal's reason.
 */
export async function writeSlot(
  disk: BlockDevice,
  slot: Slot,
  base: FileHandle,
  step: ProgressStep,
  signal: AbortSignal,
): Promise<Bytes> {
  const parts = await Promise.all(partNames.map((name) => partOf(base, slot, name)));
  const total = parts.reduce((sum, { length }) => sum + length, 0);
  const spare = Buffer.allocUnsafe(chunkSize);
  let [written, done] = [0, 0];
  for (const { source, offset, length } of parts) {
    for await (const { position, bytes: present } of readAhead(readsOfDisk(disk, offset), length)) {
      signal.throwIfAborted();
      const wanted = await source(spare.subarray(0, present.length), position);
      const writes = differences(wanted, present).map(async ({ start, end }) => {
        await disk.write(offset + position + start, wanted.subarray(start, end));
        written += end - start;
      });
      await Promise.all(writes); // one round trip for all, while the next chunk is read
      done += wanted.length;
      step.update({ done, total, unit: 'bytes' });
    }
  }
  await disk.flush();
  return written as Bytes;
}

/** @param base the offset of position 0 on the disk. */
function readsOfDisk(disk: Pick<BlockDevice, 'read'>, base: number): ReadAt {
  return (target, position) => disk.read(target, base + position);
}

/** Returns the ranges of whole blocks that differ. */
function differences(wanted: Buffer, present: Buffer): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  for (let start = 0; start < wanted.length; start += blockSize) {
    const end = Math.min(start + blockSize, wanted.length);
    if (wanted.subarray(start, end).equals(present.subarray(start, end))) continue;
    const last = runs.at(-1);
    if (last?.end === start) last.end = end;
    else runs.push({ start, end });
  }
  return runs;
}

/**
 * Reads a slot back: every byte of the root against the signed root hash, the boot partitions against the base image, which was
 * verified when it was imported.
 * @returns the difference, or undefined when the slot holds the release.
 * @throws HoldfastError `disk.device`.
 */
export async function slotProblem(
  disk: BlockDevice,
  slot: Slot,
  base: FileHandle,
  manifest: ReleaseManifest,
): Promise<string | undefined> {
  for (const name of partNames.toReversed()) {
    const problem = await partProblem(disk, slot, name, base, manifest);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Reads one part of a slot back, as `slotProblem` does. */
export async function partProblem(
  disk: Pick<BlockDevice, 'read'>,
  slot: Slot,
  name: PartName,
  base: FileHandle,
  { root: expected }: ReleaseManifest,
): Promise<string | undefined> {
  const { source, offset, length } = await partOf(base, slot, name);
  const reads = readsOfDisk(disk, offset);
  if (name === 'root') return rootProblem(reads, slot, expected);
  const spare = Buffer.allocUnsafe(chunkSize);
  for await (const { position, bytes: present } of readAhead(reads, length)) {
    if (!(await source(spare.subarray(0, present.length), position)).equals(present))
      return `a boot partition differs at byte ${position} or after it`;
  }
  return undefined;
}

async function rootProblem(
  reads: ReadAt,
  slot: Slot,
  expected: ReleaseManifest['root'],
): Promise<string | undefined> {
  try {
    await verifyContent(reads, `the root of slot ${slot}`, expected);
    return undefined;
  } catch (error) {
    if (isFailure(error, 'verity.data', 'verity.size', 'verity.superblock', 'verity.tree', 'verity.uuid'))
      return describe(error);
    throw error;
  }
}
