import { failure, HoldfastError, misuse } from '../base/errors.ts';
import { type Bytes, formatSize } from '../base/size.ts';
import {
  backupSize,
  type PartitionTable,
  parseTable,
  primarySize,
  serialiseTable,
  type TableEntry,
} from './gpt.ts';
import type { DiskImages } from './image.ts';
import { type DiskSizes, diskSize, layout } from './layout.ts';

/** What a disk's two tables look like, and how large the disk is. */
export interface DiskTables {
  readonly size: Bytes;
  readonly primary: Buffer;
  /** The last bytes of the disk, where the backup table should be. */
  readonly backup: Buffer;
}

export type GrowthStep =
  | { readonly kind: 'enlarge'; readonly size: Bytes }
  | { readonly kind: 'write'; readonly offset: number; readonly data: Buffer };

/**
 * Makes Data larger; its file system is grown by the guest when it starts. The machine must be off. When this was cut
 * off, it can be done again, with the same or with another size; until then the disk can be used.
 * @throws HoldfastError `disk.shrink` (exit code 2) when Data would become smaller, `disk.size` when it is out of range,
 *   `disk.partitions` when the disk is not one of ours; `process.failed`.
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
 * The partition table that counts: the primary, or the backup when the primary is damaged (UEFI specification 2.10,
 * section 5.3.2).
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
 * The steps from a disk as it is to one with these sizes, none when it has them. After each step, whole or torn, one
 * valid table is where the kernel looks for it; and what Data grows over is zero, as its file system's new parts must be.
 * Throws as `growDataPartition` does.
 */
export function planGrowth(tables: DiskTables, sizes: DiskSizes): GrowthStep[] {
  const current = currentTable(tables);
  const partitions = layout(sizes);
  checkGrowth(current.partitions, partitions);
  const size = Math.max(diskSize(sizes), tables.size) as Bytes; // a growth that was cut off may have enlarged it
  const { primary, backup } = serialiseTable({ diskGuid: current.diskGuid, diskSize: size, partitions });
  if (size === tables.size && primary.equals(tables.primary) && backup.equals(tables.backup)) return [];

  const nothing = Buffer.alloc(backupSize);
  const restored = serialiseTable(current).primary;
  const steps: GrowthStep[] = [];
  if (!restored.equals(tables.primary)) steps.push({ kind: 'write', offset: 0, data: restored });
  // The backup of a growth that was cut off would otherwise stay where Data will be.
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

/** All but Data must be where it is and as large as it is. */
function checkGrowth(current: readonly TableEntry[], wanted: readonly TableEntry[]): void {
  const differs = wanted.find((partition, index) => {
    const present = current[index];
    if (present?.uuid !== partition.uuid || present.offset !== partition.offset) return true;
    return partition.name !== 'Data' && present.size !== partition.size;
  });
  if (differs || current.length !== wanted.length) {
    throw failure('disk.partitions', 'the disk is not laid out as this machine says', {
      why: `partition ${differs?.name ?? current.length} is not where it should be`,
      next: 'restore the disk or machine.json from a backup, or deploy the machine again',
    });
  }
  const before = current.find(({ name }) => name === 'Data')?.size ?? 0;
  const after = wanted.find(({ name }) => name === 'Data')?.size ?? 0;
  if (after < before) {
    throw misuse('disk.shrink', `Data cannot become smaller than its ${formatSize(before)}`, {
      why: `${formatSize(after)} were asked for, and what is stored beyond would be lost`,
      next: 'ask for more, or deploy another machine and move the data',
    });
  }
}
