import { crc32 } from 'node:zlib';
import { guid, guidSize, guidToBytes } from '../base/guid.ts';
import { erased, flashBlockSize, geometry } from './geometry.ts';
import { malformed } from './malformed.ts';

/*
 * When the store is full, the firmware compacts it: it writes the new blocks to the spare area,
 * records that in a log, and only then replaces the old blocks (edk2:
 * MdeModulePkg/Universal/FaultTolerantWriteDxe). After an interruption in between, only the spare
 * area has the variables, until the firmware completes the write at the next start.
 */

/** EFI_FAULT_TOLERANT_WORKING_BLOCK_HEADER (edk2: MdeModulePkg/Include/Guid/SystemNvDataGuid.h). */
const working = { checksum: 16, state: 20, queueSize: 24, length: 32 } as const;
const workingSignature = guidToBytes(guid('9e58292b-7c68-497d-a0ce-6500fd9f1b95'));
/**
 * WorkingBlockValid set, WorkingBlockInvalid not. A flag is set by clearing its bit, as in flash.
 */
const workingValid = 0xfe;

/** EFI_FAULT_TOLERANT_WRITE_HEADER, one for each write (edk2: FaultTolerantWrite.h). */
const header = { state: 0, writes: 24, privateSize: 32, length: 40 } as const;
const headerAllocated = 0x1;
const writesAllocated = 0x2;
const writesCompleted = 0x4;

/** EFI_FAULT_TOLERANT_WRITE_RECORD, at least one after each header. */
const record = { state: 0, offset: 16, dataLength: 24, relativeOffset: 32, length: 40 } as const;
const spareCompleted = 0x2;
const destinationCompleted = 0x4;

/**
 * Returns an empty log as the firmware creates it. The checksum covers the header with checksum and
 * state erased.
 */
export function emptyWorkingArea(): Buffer {
  const { start, end } = geometry.working;
  const area = Buffer.alloc(end - start, erased);
  workingSignature.copy(area);
  area.writeBigUInt64LE(BigInt(area.length - working.length), working.queueSize);
  area.writeUInt32LE(crc32(area.subarray(0, working.length)), working.checksum);
  area[working.state] = workingValid;
  return area;
}

/**
 * Returns the store as the firmware will see it, with an interrupted write completed from the spare
 * area.
 * @throws HoldfastError `firmware.variables` when the log describes a write that no firmware
 *   performs.
 */
export function finishInterruptedWrite(image: Buffer): Buffer {
  const found = interruptedWrite(image.subarray(geometry.working.start, geometry.working.end));
  if (!found) return image;
  const { target, length } = found;
  if (target < 0 || target % flashBlockSize !== 0 || target + length > geometry.working.start) {
    throw malformed(
      `an interrupted write of ${length} bytes has the target ${target}, outside the variables`,
    );
  }
  const finished = Buffer.from(image);
  image.copy(finished, target, geometry.spare.start, geometry.spare.start + length);
  return finished;
}

/**
 * Finds the write whose blocks are complete in the spare area, but not recorded as complete at
 * their destination.
 */
function interruptedWrite(log: Buffer): { target: number; length: number } | undefined {
  // The log is invalid only while it is itself compacted, and then no other write is pending.
  if (!log.subarray(0, guidSize).equals(workingSignature) || log[working.state] !== workingValid)
    return undefined;
  let at: number = working.length;
  while (at + header.length <= log.length) {
    const state = log[at + header.state] ?? erased;
    if (!isSet(state, headerAllocated) || !isSet(state, writesAllocated)) return undefined;
    const writes = log.readBigUInt64LE(at + header.writes);
    const size = record.length + Number(log.readBigUInt64LE(at + header.privateSize));
    const end = at + header.length + Number(writes) * size;
    if (writes < 1n || end > log.length) throw malformed('the log of fault-tolerant writes is damaged');
    if (!isSet(state, writesCompleted)) return pendingRecord(log.subarray(at + header.length, end), size);
    at = end;
  }
  return undefined;
}

function pendingRecord(records: Buffer, size: number): { target: number; length: number } | undefined {
  for (let at = 0; at < records.length; at += size) {
    const state = records[at + record.state] ?? erased;
    if (isSet(state, destinationCompleted)) continue;
    if (!isSet(state, spareCompleted)) return undefined;
    const end = records.readBigUInt64LE(at + record.offset) + records.readBigUInt64LE(at + record.dataLength);
    const relativeOffset = records.readBigInt64LE(at + record.relativeOffset);
    return {
      target: geometry.spare.start + Number(relativeOffset),
      length: Math.ceil(Number(end) / flashBlockSize) * flashBlockSize,
    };
  }
  return undefined;
}

function isSet(state: number, flag: number): boolean {
  return (state & flag) === 0;
}
