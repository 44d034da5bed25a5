import { randomUUID } from 'node:crypto';
import { open, truncate, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { syncDirectory } from '../base/files.ts';
import { guid } from '../base/guid.ts';
import { run } from '../base/process.ts';
import { KiB } from '../base/size.ts';
import { backupSize, serialiseTable } from './gpt.ts';
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
  /** Where the file is made. */
  readonly path: string;
  /** The release's base image, from `createBaseImage`. The disk refers to it relative to its own directory. */
  readonly base: string;
  /** The machine encrypts Log and Data, and makes their file systems itself: here they stay empty. */
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

/** Of Data, kept for root: a machine whose users filled it still starts and can be cleaned. */
const reservedPercent = 1;

/** ext4's own choice for 2 GB. Left to itself it grows to 1 GB with the partition, and the host's file with it. */
const journalMegabytes = 64;

/**
 * Makes a new machine's disk: what the machine adds to the base image (partition table, empty Log and Data), and a
 * reference to the base image for all the rest. Needs no root and less than 64 MB on the host.
 * @throws HoldfastError `disk.size`; `process.failed` when there is no room.
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

/** A sparse file of the disk's full size, which is zero wherever the base image has something. */
async function writeRaw(
  path: string,
  sizes: DiskSizes,
  partitions: readonly Partition[],
  made: readonly FileSystem[],
): Promise<void> {
  const size = diskSize(sizes);
  const table = serialiseTable({ diskGuid: guid(randomUUID()), diskSize: size, partitions });
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
 * Makes an ext4 file system in a part of a file. The disk reads as zeros, so nothing need be zeroed, now or by the guest;
 * metadata that lie close together take few of the image's clusters.
 */
async function makeFileSystem(path: string, { offset, size }: Partition, label: string): Promise<void> {
  const options = ['assume_storage_prezeroed=1', 'packed_meta_blocks=1', `offset=${offset}`];
  const flags = ['-q', '-F', '-L', label, '-m', String(reservedPercent), '-J', `size=${journalMegabytes}`];
  await run('mkfs.ext4', [...flags, '-E', options.join(','), path, `${size / KiB}k`]);
}
