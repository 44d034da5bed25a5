/*
 * Variable store files, built from edk2's structures and from files that Debian's firmware wrote, without the
 * code under test.
 */

/** The headers of Debian's empty OVMF_VARS_4M.fd: firmware volume, then variable store. */
export const headers = Buffer.from(
  [
    '00000000000000000000000000000000', // reset vector
    '8d2bf1ff96768b4ca9852747075b4f50', // EFI_SYSTEM_NV_DATA_FV_GUID
    '0040080000000000', // 0x84000 bytes
    '5f465648fffe0400', // _FVH, attributes
    '4800afb800000002', // header of 0x48 bytes, checksum, revision 2
    '84000000001000000000000000000000', // 0x84 blocks of 0x1000 bytes
    '782cf3aa7b949a43a1802e144ec37792', // gEfiAuthenticatedVariableGuid
    'b8ff03005afe000000000000', // 0x3ffb8 bytes, formatted, healthy
  ].join(''),
  'hex',
);

/** The header of the log of writes, from the same file. */
const log = Buffer.from('2b29589e687c7d49a0ce6500fd9f1b952caf2c64feffffffe00f000000000000', 'hex');

export const recordsStart = 0x64;
export const logStart = 0x41000;
export const spareStart = 0x42000;

/** Builds a file with these records. */
export function storeFile(...records: readonly Buffer[]): Buffer {
  const file = Buffer.alloc(0x84000, 0xff);
  Buffer.concat([headers, ...records]).copy(file);
  log.copy(file, logStart);
  return file;
}

export interface RecordFields {
  readonly state?: number;
  readonly attributes?: number;
  readonly name?: string;
  readonly data?: Buffer;
  readonly nameSize?: number;
  readonly dataSize?: number;
  readonly monotonicCount?: bigint;
  readonly timestamp?: Buffer;
}

/** Builds a record of the vendor 12345678-9abc-def0-1122-334455667788, by default with attributes 7, padded to four bytes. */
export function record(fields: RecordFields = {}): Buffer {
  const name = Buffer.from(`${fields.name ?? 'One'}\0`, 'utf16le');
  const data = fields.data ?? Buffer.from('data!');
  const record = Buffer.alloc(Math.ceil((60 + name.length + data.length) / 4) * 4, 0xff);
  record.writeUInt16LE(0x55aa, 0);
  record[2] = fields.state ?? 0x3f;
  record[3] = 0;
  record.writeUInt32LE(fields.attributes ?? 7, 4);
  record.writeBigUInt64LE(fields.monotonicCount ?? 0n, 8);
  (fields.timestamp ?? Buffer.alloc(16)).copy(record, 16);
  record.writeUInt32LE(0, 32);
  record.writeUInt32LE(fields.nameSize ?? name.length, 36);
  record.writeUInt32LE(fields.dataSize ?? data.length, 40);
  Buffer.from('78563412bc9af0de1122334455667788', 'hex').copy(record, 44);
  name.copy(record, 60);
  data.copy(record, 60 + name.length);
  return record;
}

export interface WriteFields {
  /** Flags are set by clearing: bit 0 header allocated, bit 1 writes allocated, bit 2 complete. */
  readonly headerState?: number;
  /** Bit 1 spare complete, bit 2 destination complete. */
  readonly recordState?: number;
  readonly writes?: bigint;
  readonly length?: bigint;
  readonly relativeOffset?: bigint;
}

/** Builds an entry of the log of writes as OVMF leaves it after compacting its variables; completed by default. */
export function loggedWrite(fields: WriteFields = {}): Buffer {
  const write = Buffer.alloc(80, 0xff);
  write[0] = fields.headerState ?? 0xf8;
  Buffer.from('48b20c47ace83c47bb4f81069a1fe6fd', 'hex').copy(write, 4);
  write.writeBigUInt64LE(fields.writes ?? 1n, 24);
  write.writeBigUInt64LE(0n, 32);
  write[40] = fields.recordState ?? 0xf9;
  write.writeBigUInt64LE(0n, 48);
  write.writeBigUInt64LE(0x48n, 56);
  write.writeBigUInt64LE(fields.length ?? 0x3ffb8n, 64);
  write.writeBigInt64LE(fields.relativeOffset ?? -0x42000n, 72);
  return write;
}

/** Builds a record that only the firmware can have written: not accessible at run time. */
export function firmwareRecord(): Buffer {
  return record({ attributes: 3 });
}
