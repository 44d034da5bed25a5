import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { failure, type HoldfastError, reasonOf } from '../base/errors.ts';
import { digestSize } from '../verity/geometry.ts';

/**
 * Bytes of a digest that the index keeps. It only plans: what is built by it is checked against whole digests. With 48 bits
 * one of 10 000 changed blocks is mistaken for one of 1 000 000 others once in 28 000 updates, and that update then takes
 * another road.
 */
export const prefixSize = 6;

/** The first bytes of a block's digest, as a number: exact, as numbers hold 53 bits. */
export type BlockPrefix = number & { readonly __brand: 'BlockPrefix' };

/** What can be known of a release's blocks without having them. */
export interface BlockIndex {
  /** One byte a block: which of the older releases in the repository had it. Equal bytes are stored together. */
  readonly classes: Uint8Array;
  /** `prefixSize` bytes a block. */
  readonly prefixes: Buffer;
}

const magic = Buffer.from('HFBLKS01', 'latin1');

/** The file: zstd of a mark, the number of blocks, all classes, all prefixes. */
export function encodeBlockIndex({ classes, prefixes }: BlockIndex): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32LE(classes.length);
  return zstdCompressSync(Buffer.concat([magic, count, classes, prefixes]));
}

/**
 * @param blocks how many blocks the release's files have: nothing larger is unpacked.
 * @throws HoldfastError `delta.index`.
 */
export function decodeBlockIndex(bytes: Buffer, blocks: number): BlockIndex {
  const headerSize = magic.length + 4;
  const expected = headerSize + blocks * (1 + prefixSize);
  let data: Buffer;
  try {
    data = zstdDecompressSync(bytes, { maxOutputLength: expected });
  } catch (error) {
    throw malformed(reasonOf(error));
  }
  if (data.length !== expected) throw malformed(`${data.length} bytes instead of ${expected}`);
  if (!data.subarray(0, magic.length).equals(magic)) throw malformed('it does not begin with its mark');
  if (data.readUInt32LE(magic.length) !== blocks) throw malformed(`it is not for ${blocks} blocks`);
  return {
    classes: data.subarray(headerSize, headerSize + blocks),
    prefixes: data.subarray(headerSize + blocks),
  };
}

/** The prefix of block number `block`. */
export function prefixAt(prefixes: Buffer, block: number): BlockPrefix {
  return prefixes.readUIntBE(block * prefixSize, prefixSize) as BlockPrefix;
}

/** Shortens digests, one after the other, to their prefixes. */
export function prefixesOf(digests: Uint8Array): Buffer {
  const blocks = digests.length / digestSize;
  const prefixes = Buffer.allocUnsafe(blocks * prefixSize);
  for (let block = 0; block < blocks; block += 1) {
    const start = block * digestSize;
    prefixes.set(digests.subarray(start, start + prefixSize), block * prefixSize);
  }
  return prefixes;
}

function malformed(why: string): HoldfastError {
  return failure('delta.index', "the index of the release's blocks is malformed", {
    why,
    next: 'tell whoever publishes the repository',
  });
}
