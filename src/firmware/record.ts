import { type Guid, guidFromBytes, guidToBytes } from '../base/guid.ts';
import { malformed } from './malformed.ts';

/** A non-volatile variable. */
export interface Variable {
  readonly name: string;
  readonly vendor: Guid;
  /** EFI_VARIABLE_… bits (UEFI specification 2.10, section 8.2.1). */
  readonly attributes: number;
  readonly data: Buffer;
  /**
   * Time of the signature that set a time-authenticated variable: EFI_TIME (section 8.3), 16 bytes. Not
   * interpreted: the firmware stores any time that a guest writes, such as month 77.
   */
  readonly timestamp?: Buffer;
}

/** AUTHENTICATED_VARIABLE_HEADER (edk2: MdeModulePkg/Include/Guid/VariableFormat.h). */
const header = {
  startId: 0,
  state: 2,
  attributes: 4,
  monotonicCount: 8,
  timestamp: 16,
  publicKeyIndex: 32,
  nameSize: 36,
  dataSize: 40,
  vendor: 44,
  length: 60,
} as const;

const startId = 0x55aa;
const alignment = 4;

/**
 * States, each made by clearing bits as in flash: complete, and complete but being replaced. Any
 * other state is not valid.
 */
const added = 0x3f;
const addedInDeletedTransition = 0x3e;
/** The write was interrupted: only the start mark is valid. */
const unwritten = 0xff;

/** A variable and the end of its record. */
export interface ParsedRecord {
  readonly end: number;
  /** Undefined for a record that was deleted, replaced or never completed. */
  readonly variable?: Variable;
  /** True if a newer record of the same name, when there is one, replaces this one. */
  readonly inTransition: boolean;
}

/** Returns true if a record starts at `offset`. */
export function startsRecord(area: Buffer, offset: number): boolean {
  return offset + header.length <= area.length && area.readUInt16LE(offset) === startId;
}

/**
 * Parses the record at `offset`, where `startsRecord` is true.
 * @throws HoldfastError `firmware.variables`.
 */
export function parseRecord(area: Buffer, offset: number): ParsedRecord {
  const head = area.subarray(offset, offset + header.length);
  const state = head[header.state] ?? unwritten;
  if (state === unwritten) return { end: aligned(offset + header.length), inTransition: false };
  const nameSize = head.readUInt32LE(header.nameSize);
  const dataSize = head.readUInt32LE(header.dataSize);
  const nameEnd = offset + header.length + nameSize;
  const dataEnd = nameEnd + dataSize;
  if (dataEnd > area.length) throw malformed(`the variable at offset ${offset} extends beyond the store`);
  const end = Math.min(aligned(dataEnd), area.length);
  if (state !== added && state !== addedInDeletedTransition) return { end, inTransition: false };
  if (head.readBigUInt64LE(header.monotonicCount) !== 0n || head.readUInt32LE(header.publicKeyIndex) !== 0) {
    throw malformed(
      `the variable at offset ${offset} is authenticated by a counter, which the firmware does not support`,
    );
  }
  const timestamp = head.subarray(header.timestamp, header.publicKeyIndex);
  return {
    end,
    inTransition: state === addedInDeletedTransition,
    variable: {
      name: parseName(area.subarray(nameEnd - nameSize, nameEnd), offset),
      vendor: guidFromBytes(head, header.vendor),
      attributes: head.readUInt32LE(header.attributes),
      data: Buffer.from(area.subarray(nameEnd, dataEnd)),
      ...(timestamp.some((byte) => byte !== 0) && { timestamp: Buffer.from(timestamp) }),
    },
  };
}

/**
 * Encodes the record of a variable, padded to the alignment of the next one.
 * @throws HoldfastError `firmware.variables` when the name is empty or contains a NUL.
 */
export function serializeRecord({ name, vendor, attributes, data, timestamp }: Variable): Buffer {
  if (name === '' || name.includes('\0'))
    throw malformed(`the variable name '${name}' is empty or contains a NUL`);
  const encodedName = Buffer.from(`${name}\0`, 'utf16le');
  const end = header.length + encodedName.length + data.length;
  const record = Buffer.alloc(aligned(end), 0xff).fill(0, 0, header.length);
  record.writeUInt16LE(startId, header.startId);
  record[header.state] = added;
  record.writeUInt32LE(attributes, header.attributes);
  timestamp?.copy(record, header.timestamp, 0, header.publicKeyIndex - header.timestamp);
  record.writeUInt32LE(encodedName.length, header.nameSize);
  record.writeUInt32LE(data.length, header.dataSize);
  guidToBytes(vendor).copy(record, header.vendor);
  encodedName.copy(record, header.length);
  data.copy(record, header.length + encodedName.length);
  return record;
}

function aligned(offset: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

function parseName(bytes: Buffer, offset: number): string {
  const text = bytes.toString('utf16le');
  if (bytes.length % 2 !== 0 || text.indexOf('\0') !== text.length - 1 || text.length < 2) {
    throw malformed(`the name of the variable at offset ${offset} is empty or does not match its size`);
  }
  return text.slice(0, -1);
}
