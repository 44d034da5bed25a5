import { hostArchitecture } from '../base/architecture.ts';
import { misuse } from '../base/errors.ts';
import { type Guid, guid } from '../base/guid.ts';
import { type Bytes, formatSize, GiB, MiB, TiB } from '../base/size.ts';

export type Slot = 'A' | 'B';

/** Size of the Log partition, chosen at deployment. */
export type LogSize = 'small' | 'large';

export type PartitionName =
  | 'BootEFIA'
  | 'BootA'
  | 'RootFS-A'
  | 'BootEFIB'
  | 'BootB'
  | 'RootFS-B'
  | 'Log'
  | 'Data';

/** The sizes that differ between machines; the rest of the table is fixed. */
export interface DiskSizes {
  readonly logSize: LogSize;
  readonly dataSize: Bytes;
}

/** A partition. Offsets and sizes are multiples of 1 MiB. */
export interface Partition {
  /** Counted from 1, as firmware and kernel do. */
  readonly number: number;
  readonly name: PartitionName;
  readonly type: Guid;
  /** PARTUUID. */
  readonly uuid: Guid;
  readonly offset: Bytes;
  readonly size: Bytes;
}

export const sectorSize = 512;

/** Smallest and largest size of the Data partition. */
export const dataSizeLimits = { minimum: (2 * GiB) as Bytes, maximum: (2 * TiB) as Bytes } as const;

const logPartitionSizes: Readonly<Record<LogSize, Bytes>> = { small: GiB, large: (6 * GiB) as Bytes };

/** Space before the first and after the last partition, for the two copies of the GPT. */
const margin = MiB;

/**
 * Partition types (UEFI specification 2.10, table 5.7; UAPI Discoverable Partitions Specification).
 * Log and Data are plain Linux file systems: the type for `/var` requires a PARTUUID that depends
 * on the machine.
 */
const types = {
  /** EFI system partition, where the firmware looks for a loader when its variables are lost. */
  system: guid('c12a7328-f81f-11d2-ba4b-00a0c93ec93b'),
  /** Extended boot loader partition, where systemd-boot on a system partition finds the UKI. */
  extendedBoot: guid('bc13c2ff-59e6-4262-a352-b275fd6f7172'),
  root: hostArchitecture.rootPartitionType,
  linux: guid('0fc63daf-8483-4772-8e79-3d69d8477de4'),
} as const;

interface PartitionDesign {
  readonly name: PartitionName;
  readonly type: Guid;
  readonly uuid: Guid;
  readonly size: (sizes: DiskSizes) => Bytes;
}

/**
 * The eight partitions in order. The PARTUUIDs are the same on all machines. They are names, not
 * secrets, and everything that refers to them is the same on all machines too: the command line of
 * the signed UKI, the initrd, the boot entries.
 */
const design: readonly PartitionDesign[] = [
  {
    name: 'BootEFIA',
    type: types.system,
    uuid: guid('6c1f3a52-3d2c-4f0e-9b6a-8a5d0a1e0a01'),
    size: () => (8 * MiB) as Bytes,
  },
  {
    name: 'BootA',
    type: types.extendedBoot,
    uuid: guid('2b9d7c84-51c6-4c0b-8f5e-3e0b6c1d0a02'),
    size: () => (192 * MiB) as Bytes,
  },
  {
    name: 'RootFS-A',
    type: types.root,
    uuid: guid('f3a86e19-7b40-4d92-a4c1-52d97e380a03'),
    size: () => (4 * GiB) as Bytes,
  },
  {
    name: 'BootEFIB',
    type: types.system,
    uuid: guid('91e05d67-c8f3-4b1a-8d24-70b3f92c0b01'),
    size: () => (8 * MiB) as Bytes,
  },
  {
    name: 'BootB',
    type: types.extendedBoot,
    uuid: guid('d47b20c5-16ae-4e83-b905-c1a86f5d0b02'),
    size: () => (192 * MiB) as Bytes,
  },
  {
    name: 'RootFS-B',
    type: types.root,
    uuid: guid('0ab5c93e-8d72-4617-9ef0-4b6d12e70b03'),
    size: () => (4 * GiB) as Bytes,
  },
  {
    name: 'Log',
    type: types.linux,
    uuid: guid('58d2e7f1-a93b-4c64-8170-e5f4b0930c01'),
    size: ({ logSize }) => logPartitionSizes[logSize],
  },
  {
    name: 'Data',
    type: types.linux,
    uuid: guid('b7064fa8-2ec5-49d1-93b8-0d1c7a8e0c02'),
    size: ({ dataSize }) => dataSize,
  },
];

/** The partitions of each slot, by content. */
export const slotPartitions = {
  A: { loader: 'BootEFIA', boot: 'BootA', root: 'RootFS-A' },
  B: { loader: 'BootEFIB', boot: 'BootB', root: 'RootFS-B' },
} as const satisfies Readonly<Record<Slot, Readonly<Record<string, PartitionName>>>>;

/**
 * Paths of the UKIs on `slotPartitions[slot].boot`: one verifies the root, the other is for
 * machines with verity disabled. The fallback loader scans `\EFI\Linux` only and therefore never
 * starts the second.
 */
export const ukiPaths = {
  on: '\\EFI\\Linux\\holdfast.efi',
  off: '\\EFI\\Holdfast\\unverified.efi',
} as const;

/** Whether dm-verity verifies the root. */
export type Verity = keyof typeof ukiPaths;

/**
 * Returns the partitions of a machine's disk.
 * @throws HoldfastError `disk.size` (exit code 2) when Data is out of range or not a whole number
 *   of megabytes.
 */
export function layout(sizes: DiskSizes): readonly Partition[] {
  checkDataSize(sizes.dataSize);
  return placed(sizes);
}

/** Returns the size of the whole disk. Throws as `layout` does. */
export function diskSize(sizes: DiskSizes): Bytes {
  const end = layout(sizes).reduce((furthest, { offset, size }) => Math.max(furthest, offset + size), 0);
  return (end + margin) as Bytes;
}

/** Returns a partition of a slot. These have the same place on every machine. */
export function slotPartition(slot: Slot, part: keyof (typeof slotPartitions)[Slot]): Partition {
  return partitionNamed(
    placed({ logSize: 'small', dataSize: dataSizeLimits.minimum }),
    slotPartitions[slot][part],
  );
}

/** Returns the partition with this name. @throws TypeError when the list lacks it. */
export function partitionNamed(partitions: readonly Partition[], name: PartitionName): Partition {
  const found = partitions.find((partition) => partition.name === name);
  if (!found) throw new TypeError(`the layout has no partition ${name}`);
  return found;
}

function placed(sizes: DiskSizes): readonly Partition[] {
  let offset: number = margin;
  return design.map(({ name, type, uuid, size }, index) => {
    const partition = { number: index + 1, name, type, uuid, offset: offset as Bytes, size: size(sizes) };
    offset += partition.size;
    return partition;
  });
}

function checkDataSize(size: Bytes): void {
  const { minimum, maximum } = dataSizeLimits;
  if (size >= minimum && size <= maximum && size % MiB === 0) return;
  throw misuse('disk.size', `cannot create a data partition of ${formatSize(size)}`, {
    why: `its size is ${formatSize(minimum)} to ${formatSize(maximum)}, in whole megabytes`,
    next: 'choose a size in this range, such as 10GB',
  });
}
