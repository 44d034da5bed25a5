import { failure, HoldfastError, misuse } from '../base/errors.ts';
import { type Bytes, formatSize } from '../base/size.ts';
import {
  backupSize,
  type PartitionTable,
  parseTable,
  primarySize,
  serializeTable,
  type TableEntry,
} from './gpt.ts';
import type { DiskImages } from './image.ts';
import { type DiskSizes, diskSize, layout } from './layout.ts';

/** The size of a disk and both copies of its partition table. */
export interface DiskTables {
  readonly size: Bytes;
  readonly primary: Buffer;
  /** The last bytes of the disk, where the backup copy belongs. */
  readonly backup: Buffer;
}

export type GrowthStep =
  | { readonly kind: 'enlarge'; readonly size: Bytes }
  | { readonly kind: 'write'; readonly offset: number; readonly data: Buffer };

/**
 * Enlarges the Data partition; the guest grows its file system at the next start. The machine must
 * be off. An interrupted growth leaves a usable disk and can be repeated with the same or another
 * size.
 * @throws HoldfastError `disk.shrink` (exit code 2) when Data would shrink, `disk.size` when the
 *   size is out of range, `disk.partitions` when the disk has another layout; `process.failed`.
 */
export async function growDataPartition(
  images: DiskImages,
  { path, ...sizes }: DiskSizes & { readonly path: string },
): Promise<void> {
  for (const step of planGrowth(await readTables(images, path), sizes)) await take(images, path, step);
}

/** Reads both tables of a disk. */
export async function readTables(images: DiskImages, path: string): Promise<DiskTables> {
  const size = await images.size(path);
  return {
    size,
    primary: await images.read(path, { offset: 0, length: primarySize }),
    backup: await images.read(path, { offset: size - backupSize, length: backupSize }),
  };
}

/**
 * Returns the valid partition table: the primary copy, or the backup copy when the primary is
 * damaged (UEFI specification 2.10, section 5.3.2).
 * @throws HoldfastError `disk.partitions` when both are damaged.
 */
export function currentTable({ primary, backup }: DiskTables): PartitionTable {
  try {
    return parseTable('primary', primary);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return parseTable('backup', backup);
  }
}

/**
 * Returns the steps that give a disk these sizes; none if it has them already. After each step,
 * complete or torn, a valid table is where the kernel looks for it, and the space that Data grows
 * into is zero, as its file system requires. Throws as `growDataPartition` does.
 */
export function planGrowth(tables: DiskTables, sizes: DiskSizes): GrowthStep[] {
  const current = currentTable(tables);
  const partitions = layout(sizes);
  checkGrowth(current.partitions, partitions);
  const size = Math.max(diskSize(sizes), tables.size) as Bytes; // an interrupted growth may have enlarged it
  const { primary, backup } = serializeTable({ diskGuid: current.diskGuid, diskSize: size, partitions });
  if (size === tables.size && primary.equals(tables.primary) && backup.equals(tables.backup)) return [];

  const nothing = Buffer.alloc(backupSize);
  const restored = serializeTable(current).primary;
  const steps: GrowthStep[] = [];
  if (!restored.equals(tables.primary)) steps.push({ kind: 'write', offset: 0, data: restored });
  // The backup copy of an interrupted growth would otherwise remain inside Data
  if (current.diskSize < tables.size)
    steps.push({ kind: 'write', offset: tables.size - backupSize, data: nothing });
  if (size > tables.size) steps.push({ kind: 'enlarge', size });
  steps.push({ kind: 'write', offset: size - backupSize, data: backup });
  if (current.diskSize < size)
    steps.push({ kind: 'write', offset: current.diskSize - backupSize, data: nothing });
  steps.push({ kind: 'write', offset: 0, data: primary });
  return steps;
}

async function take(images: DiskImages, path: string, step: GrowthStep): Promise<void> {
  if (step.kind === 'enlarge') await images.enlarge(path, step.size);
  else await images.write(path, step.offset, step.data);
}

/** Checks that nothing but the size of Data changes, and that Data does not shrink. */
function checkGrowth(current: readonly TableEntry[], wanted: readonly TableEntry[]): void {
  const differs = wanted.find((partition, index) => {
    const present = current[index];
    if (present?.uuid !== partition.uuid || present.offset !== partition.offset) return true;
    return partition.name !== 'Data' && present.size !== partition.size;
  });
  if (differs || current.length !== wanted.length) {
    throw failure('disk.partitions', 'cannot grow the data partition: the disk has another layout', {
      why: `partition ${differs?.name ?? current.length} is not where the layout places it`,
      next: 'restore the disk or machine.json from a backup, or deploy the machine again',
    });
  }
  const before = current.find(({ name }) => name === 'Data')?.size ?? 0;
  const after = wanted.find(({ name }) => name === 'Data')?.size ?? 0;
  checkNoShrink(before, after);
}

/** @throws HoldfastError `disk.shrink` (exit code 2). */
export function checkNoShrink(before: number, after: number): void {
  if (after >= before) return;
  const change = `from ${formatSize(before)} to ${formatSize(after)}`;
  throw misuse('disk.shrink', `cannot shrink the data partition ${change}`, {
    why: 'data stored beyond the new size would be lost',
    next: 'choose a larger size, or deploy another machine and move the data',
  });
}
