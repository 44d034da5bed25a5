import { randomUUID } from 'node:crypto';
import { open, truncate, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { syncDirectory } from '../base/files.ts';
import { guid } from '../base/guid.ts';
import { run } from '../base/process.ts';
import { KiB } from '../base/size.ts';
import { backupSize, serializeTable } from './gpt.ts';
import type { DiskImages } from './image.ts';
import {
  type DiskSizes,
  diskSize,
  layout,
  type Partition,
  type PartitionName,
  partitionNamed,
} from './layout.ts';
import { withScratch } from './scratch.ts';

export interface MachineDisk extends DiskSizes {
  /** Path of the file to create. */
  readonly path: string;
  /**
   * Base image of the release, from `createBaseImage`. The disk refers to it by a path relative to
   * its own directory.
   */
  readonly base: string;
  /**
   * The machine encrypts Log and Data and creates their file systems itself, so they stay empty
   * here.
   */
  readonly encrypted?: boolean;
}

interface FileSystem {
  readonly partition: PartitionName;
  readonly label: string;
}

const fileSystems: readonly FileSystem[] = [
  { partition: 'Log', label: 'log' },
  { partition: 'Data', label: 'data' },
];

/**
 * Share of Data reserved for root, so that a machine whose users filled it still starts and can be
 * cleaned up.
 */
const reservedPercent = 1;

/**
 * The default of ext4 for 2 GB. The default grows to 1 GB with the partition, and so would the file
 * on the host.
 */
const journalMegabytes = 64;

/**
 * Creates a machine's disk: the partition table, empty Log and Data, and a reference to the base
 * image for everything else. Needs no root and less than 64 MB on the host.
 * @throws HoldfastError `disk.size`; `process.failed` when the host's disk is full.
 */
export async function createMachineDisk(
  images: DiskImages,
  { path, base, encrypted, ...sizes }: MachineDisk,
): Promise<void> {
  const partitions = layout(sizes);
  await withScratch(path, async (scratch) => {
    const raw = join(scratch, 'raw');
    await writeRaw(raw, sizes, partitions, encrypted ? [] : fileSystems);
    await images.create(path, raw, base);
  });
  await syncDirectory(dirname(resolve(path)));
}

/** Writes a sparse file of the disk's full size, zero in the ranges of the base image. */
async function writeRaw(
  path: string,
  sizes: DiskSizes,
  partitions: readonly Partition[],
  made: readonly FileSystem[],
): Promise<void> {
  const size = diskSize(sizes);
  const table = serializeTable({ diskGuid: guid(randomUUID()), diskSize: size, partitions });
  await writeFile(path, table.primary);
  await truncate(path, size);
  const handle = await open(path, 'r+');
  try {
    await handle.write(table.backup, 0, backupSize, size - backupSize);
  } finally {
    await handle.close();
  }
  for (const { partition, label } of made) {
    await makeFileSystem(path, partitionNamed(partitions, partition), label);
  }
}

/**
 * Creates an ext4 file system in a range of a file. The disk reads as zeros, so neither mkfs nor
 * the guest needs to zero anything. Packed metadata takes fewer clusters of the image.
 */
async function makeFileSystem(path: string, { offset, size }: Partition, label: string): Promise<void> {
  const options = ['assume_storage_prezeroed=1', 'packed_meta_blocks=1', `offset=${offset}`];
  const flags = ['-q', '-F', '-L', label, '-m', String(reservedPercent), '-J', `size=${journalMegabytes}`];
  await run('mkfs.ext4', [...flags, '-E', options.join(','), path, `${size / KiB}k`]);
}
