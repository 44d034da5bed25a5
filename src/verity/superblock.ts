import { failure, type HoldfastError } from '../base/errors.ts';
import { blockSize } from './geometry.ts';

/**
 * The variable fields of a superblock. The others are fixed: hash type 1, SHA-256, blocks of 4096
 * bytes, no salt.
 */
export interface Superblock {
  /** Lower case, with hyphens. */
  readonly uuid: string;
  readonly dataBlocks: number;
}

/**
 * `struct verity_sb`, little-endian: 512 bytes, then zeros (cryptsetup, lib/verity/verity.c and
 * wiki DMVerity).
 */
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

/** Encodes a superblock, padded to a whole hash block. */
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
 * Decodes the block with a superblock. Strict: accepts only what `encodeSuperblock` writes.
 * @param source name of the image, for the error.
 * @throws HoldfastError `verity.superblock`.
 */
export function decodeSuperblock(bytes: Buffer, source: string): Superblock {
  if (bytes.length !== blockSize) throw malformed(source, `${bytes.length} bytes instead of ${blockSize}`);
  const dataBlocks = bytes.readBigUInt64LE(offsets.dataBlocks);
  if (dataBlocks < 1n || dataBlocks * BigInt(blockSize) > BigInt(Number.MAX_SAFE_INTEGER))
    throw malformed(source, `${dataBlocks} data blocks`);
  const superblock = { uuid: decodeUuid(bytes), dataBlocks: Number(dataBlocks) };
  // Comparing with the only valid encoding leaves no field, padding or salt unchecked
  const valid = encodeSuperblock(superblock);
  const differing = bytes.findIndex((byte, at) => byte !== valid[at]);
  if (differing !== -1)
    throw malformed(
      source,
      `byte ${differing} is ${bytes[differing]}, but an unsalted SHA-256 tree of hash type 1 has ${valid[differing]}`,
    );
  return superblock;
}

function encodeUuid(uuid: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid))
    throw failure('verity.uuid', `invalid UUID '${uuid}'`, {
      why: 'a UUID is 32 hex digits in groups of 8-4-4-4-12',
    });
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

function decodeUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex', offsets.uuid, offsets.algorithm);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function malformed(source: string, why: string): HoldfastError {
  return failure('verity.superblock', `the verity superblock of ${source} is invalid`, { why });
}
