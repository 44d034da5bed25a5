import { failure, type HoldfastError } from '../base/errors.ts';
import { blockSize } from './geometry.ts';

/** What varies between the superblocks that are written here; the rest is fixed: type 1, SHA-256, 4096 bytes, no salt. */
export interface Superblock {
  /** Lower case, with hyphens. */
  readonly uuid: string;
  readonly dataBlocks: number;
}

/** `struct verity_sb`, little-endian: 512 bytes, then zeros (cryptsetup, lib/verity/verity.c and wiki DMVerity). */
const offsets = {
  signature: 0,
  version: 8,
  hashType: 12,
  uuid: 16,
  algorithm: 32,
  dataBlockSize: 64,
  hashBlockSize: 68,
  dataBlocks: 72,
  saltSize: 80,
} as const;

/** The superblock, filled up to the hash block that it takes. */
export function encodeSuperblock(superblock: Superblock): Buffer {
  const bytes = Buffer.alloc(blockSize);
  bytes.write('verity\0\0', offsets.signature, 'latin1');
  bytes.writeUInt32LE(1, offsets.version);
  bytes.writeUInt32LE(1, offsets.hashType);
  encodeUuid(superblock.uuid).copy(bytes, offsets.uuid);
  bytes.write('sha256', offsets.algorithm, 'latin1');
  bytes.writeUInt32LE(blockSize, offsets.dataBlockSize);
  bytes.writeUInt32LE(blockSize, offsets.hashBlockSize);
  bytes.writeBigUInt64LE(BigInt(superblock.dataBlocks), offsets.dataBlocks);
  bytes.writeUInt16LE(0, offsets.saltSize);
  return bytes;
}

/**
 * Reads the block that holds a superblock. Strict: nothing but what `encodeSuperblock` writes is accepted.
 * @param source whose superblock it is, for the error.
 * @throws HoldfastError `verity.superblock`.
 */
export function decodeSuperblock(bytes: Buffer, source: string): Superblock {
  if (bytes.length !== blockSize) throw malformed(source, `${bytes.length} bytes instead of ${blockSize}`);
  const dataBlocks = bytes.readBigUInt64LE(offsets.dataBlocks);
  if (dataBlocks < 1n || dataBlocks * BigInt(blockSize) > BigInt(Number.MAX_SAFE_INTEGER))
    throw malformed(source, `${dataBlocks} data blocks`);
  const superblock = { uuid: decodeUuid(bytes), dataBlocks: Number(dataBlocks) };
  // Comparing with the one right encoding leaves no field, padding or salt unchecked
  const right = encodeSuperblock(superblock);
  const wrong = bytes.findIndex((byte, at) => byte !== right[at]);
  if (wrong !== -1)
    throw malformed(
      source,
      `byte ${wrong} is ${bytes[wrong]}, in a format 1, SHA-256, unsalted tree it is ${right[wrong]}`,
    );
  return superblock;
}

function encodeUuid(uuid: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid))
    throw failure('verity.uuid', `'${uuid}' is not a UUID`, { why: 'a UUID is 32 hex digits as 8-4-4-4-12' });
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

function decodeUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex', offsets.uuid, offsets.algorithm);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function malformed(source: string, why: string): HoldfastError {
  return failure('verity.superblock', `the verity superblock of ${source} is damaged`, { why });
}
