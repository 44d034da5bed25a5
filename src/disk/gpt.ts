import { crc32 } from 'node:zlib';
import { failure, type HoldfastError } from '../base/errors.ts';
import { type Guid, guidFromBytes, guidToBytes } from '../base/guid.ts';
import type { Bytes } from '../base/size.ts';
import { type Partition, sectorSize } from './layout.ts';

/** A partition as listed in the table. */
export type TableEntry = Omit<Partition, 'name'> & { readonly name: string };

/** A GUID partition table (UEFI specification 2.10, section 5.3). */
export interface PartitionTable {
  /** GUID of the disk. */
  readonly diskGuid: Guid;
  /** Size of the disk that the table describes; the backup copy is at its end. */
  readonly diskSize: Bytes;
  readonly partitions: readonly TableEntry[];
}

/** Bytes of the protective MBR and the primary copy, at the start of the disk. */
export const primarySize = 34 * sectorSize;
/** Bytes of the backup copy, at the end of the disk. */
export const backupSize = 33 * sectorSize;

export type Copy = 'primary' | 'backup';

/** The header: table 5.5. */
const header = {
  signature: 0,
  revision: 8,
  size: 12,
  checksum: 16,
  reserved: 20,
  self: 24,
  alternate: 32,
  firstUsable: 40,
  lastUsable: 48,
  diskGuid: 56,
  entries: 72,
  entryCount: 80,
  entrySize: 84,
  entriesChecksum: 88,
  length: 92,
} as const;
const signature = Buffer.from('EFI PART');
const revision = 0x00010000;

/** An entry: table 5.6. 128 of them follow the header or, in the backup copy, precede it. */
const entry = { type: 0, uuid: 16, first: 32, last: 40, attributes: 48, name: 56, length: 128 } as const;
const entryCount = 128;
const entriesSize = entry.length * entryCount;
const entriesSectors = entriesSize / sectorSize;
const unusedType = Buffer.alloc(16);

/** Encodes both copies of the table. A partition's number is its position in the table. */
export function serializeTable(table: PartitionTable): Readonly<Record<Copy, Buffer>> {
  const entries = serializeEntries(table.partitions);
  const mbr = protectiveMbr(table.diskSize);
  return {
    primary: Buffer.concat([mbr, serializeHeader('primary', table, entries), entries]),
    backup: Buffer.concat([entries, serializeHeader('backup', table, entries)]),
  };
}

/**
 * Parses one copy, with all checks that the specification allows a reader.
 * @param bytes `primarySize` bytes from the start of the disk, or `backupSize` bytes from its end.
 * @throws HoldfastError `disk.partitions`.
 */
export function parseTable(copy: Copy, bytes: Buffer): PartitionTable {
  if (bytes.length !== (copy === 'primary' ? primarySize : backupSize))
    throw damaged(copy, 'it is truncated');
  const head = bytes.subarray(copy === 'primary' ? sectorSize : entriesSize).subarray(0, sectorSize);
  const entries = bytes.subarray(copy === 'primary' ? 2 * sectorSize : 0).subarray(0, entriesSize);
  if (!head.subarray(0, signature.length).equals(signature)) throw damaged(copy, 'it has no header');
  const table: PartitionTable = {
    diskGuid: guidFromBytes(head, header.diskGuid),
    diskSize: diskSizeOf(copy, head),
    partitions: parseEntries(copy, entries),
  };
  // Encoding the result must give the same bytes: this checks each field, each checksum and all reserved bytes
  if (!serializeTable(table)[copy].equals(bytes)) throw damaged(copy, 'a checksum or a field is wrong');
  checkPlaces(copy, table);
  return table;
}

function diskSizeOf(copy: Copy, head: Buffer): Bytes {
  const last = head.readBigUInt64LE(copy === 'primary' ? header.alternate : header.self);
  const size = (Number(last) + 1) * sectorSize;
  if (!Number.isSafeInteger(size) || size < primarySize + backupSize)
    throw damaged(copy, 'its disk size is invalid');
  return size as Bytes;
}

/**
 * Encodes the MBR of table 5.4: one partition that covers the disk, so that old programs do not
 * consider it empty.
 */
function protectiveMbr(diskSize: Bytes): Buffer {
  const mbr = Buffer.alloc(sectorSize);
  const partition = mbr.subarray(446, 462);
  partition.set([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff]);
  partition.writeUInt32LE(1, 8);
  partition.writeUInt32LE(Math.min(diskSize / sectorSize - 1, 0xffffffff), 12);
  mbr.writeUInt16LE(0xaa55, 510);
  return mbr;
}

function serializeHeader(copy: Copy, { diskGuid, diskSize }: PartitionTable, entries: Buffer): Buffer {
  const last = BigInt(diskSize / sectorSize - 1);
  const head = Buffer.alloc(sectorSize);
  signature.copy(head, header.signature);
  head.writeUInt32LE(revision, header.revision);
  head.writeUInt32LE(header.length, header.size);
  head.writeBigUInt64LE(copy === 'primary' ? 1n : last, header.self);
  head.writeBigUInt64LE(copy === 'primary' ? last : 1n, header.alternate);
  head.writeBigUInt64LE(BigInt(primarySize / sectorSize), header.firstUsable);
  head.writeBigUInt64LE(last - BigInt(backupSize / sectorSize), header.lastUsable);
  guidToBytes(diskGuid).copy(head, header.diskGuid);
  head.writeBigUInt64LE(copy === 'primary' ? 2n : last - BigInt(entriesSectors), header.entries);
  head.writeUInt32LE(entryCount, header.entryCount);
  head.writeUInt32LE(entry.length, header.entrySize);
  head.writeUInt32LE(crc32(entries), header.entriesChecksum);
  head.writeUInt32LE(crc32(head.subarray(0, header.length)), header.checksum);
  return head;
}

function serializeEntries(partitions: readonly TableEntry[]): Buffer {
  const entries = Buffer.alloc(entriesSize);
  for (const { number, name, type, uuid, offset, size } of partitions) {
    const one = entries.subarray((number - 1) * entry.length, number * entry.length);
    guidToBytes(type).copy(one, entry.type);
    guidToBytes(uuid).copy(one, entry.uuid);
    one.writeBigUInt64LE(BigInt(offset / sectorSize), entry.first);
    one.writeBigUInt64LE(BigInt((offset + size) / sectorSize - 1), entry.last);
    one.write(name, entry.name, 'utf16le');
  }
  return entries;
}

function parseEntries(copy: Copy, entries: Buffer): TableEntry[] {
  const partitions: TableEntry[] = [];
  for (let number = 1; number <= entryCount; number++) {
    const one = entries.subarray((number - 1) * entry.length, number * entry.length);
    if (one.subarray(0, unusedType.length).equals(unusedType)) continue;
    const first = Number(one.readBigUInt64LE(entry.first));
    const sectors = Number(one.readBigUInt64LE(entry.last)) - first + 1;
    const isPlace = Number.isSafeInteger((first + sectors) * sectorSize) && sectors > 0;
    if (!isPlace) throw damaged(copy, `partition ${number} has an invalid range`);
    partitions.push({
      number,
      name: one.toString('utf16le', entry.name).replace(/\0.*$/s, ''),
      type: guidFromBytes(one, entry.type),
      uuid: guidFromBytes(one, entry.uuid),
      offset: (first * sectorSize) as Bytes,
      size: (sectors * sectorSize) as Bytes,
    });
  }
  return partitions;
}

/**
 * Checks that partitions lie between the two copies, do not overlap, and have different PARTUUIDs.
 */
function checkPlaces(copy: Copy, { diskSize, partitions }: PartitionTable): void {
  let end = primarySize;
  for (const { number, offset, size } of partitions.toSorted((a, b) => a.offset - b.offset)) {
    if (offset < end) throw damaged(copy, `partition ${number} overlaps the one before it or the table`);
    end = offset + size;
  }
  if (end > diskSize - backupSize) throw damaged(copy, 'a partition extends beyond the end of the disk');
  if (new Set(partitions.map(({ uuid }) => uuid)).size !== partitions.length) {
    throw damaged(copy, 'two partitions have the same PARTUUID');
  }
}

function damaged(copy: Copy, why: string): HoldfastError {
  return failure('disk.partitions', `the ${copy} partition table of the disk is damaged`, {
    why,
    next: 'restore the disk from a backup, or deploy the machine again',
  });
}
