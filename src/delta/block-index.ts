import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, failure, type HoldfastError } from '../base/errors.ts';
import { digestSize } from '../verity/geometry.ts';

/**
 * Bytes of each digest in the index. The index only serves planning: the result is verified against
 * whole digests. With 48 bits, one of 10 000 changed blocks is mistaken for one of 1 000 000 others
 * once in 28 000 updates; that update then uses another strategy.
 */
export const prefixSize = 6;

/** The first bytes of a block's digest as a number, which holds 53 bits exactly. */
export type BlockPrefix = number & { readonly __brand: 'BlockPrefix' };

/** Describes the blocks of a release without their content. */
export interface BlockIndex {
  /**
   * One byte per block: which older releases in the repository have it. Blocks with equal bytes are
   * stored together.
   */
  readonly classes: Uint8Array;
  /** `prefixSize` bytes per block. */
  readonly prefixes: Buffer;
}

const magic = Buffer.from('HFBLKS01', 'latin1');

/** Encodes the file: zstd of magic bytes, the number of blocks, all classes, all prefixes. */
export function encodeBlockIndex({ classes, prefixes }: BlockIndex): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32LE(classes.length);
  return zstdCompressSync(Buffer.concat([magic, count, classes, prefixes]));
}

/**
 * Decodes the file.
 * @param blocks number of blocks in the files of the release; bounds the decompressed size.
 * @throws HoldfastError `delta.index`.
 */
export function decodeBlockIndex(bytes: Buffer, blocks: number): BlockIndex {
  const headerSize = magic.length + 4;
  const expected = headerSize + blocks * (1 + prefixSize);
  let data: Buffer;
  try {
    data = zstdDecompressSync(bytes, { maxOutputLength: expected });
  } catch (error) {
    throw malformed(describe(error));
  }
  if (data.length !== expected) throw malformed(`${data.length} bytes instead of ${expected}`);
  if (!data.subarray(0, magic.length).equals(magic)) throw malformed('its magic bytes are wrong');
  if (data.readUInt32LE(magic.length) !== blocks) throw malformed(`it is not for ${blocks} blocks`);
  return {
    classes: data.subarray(headerSize, headerSize + blocks),
    prefixes: data.subarray(headerSize + blocks),
  };
}

/** Returns the prefix of a block. */
export function prefixAt(prefixes: Buffer, block: number): BlockPrefix {
  return prefixes.readUIntBE(block * prefixSize, prefixSize) as BlockPrefix;
}

/** Shortens concatenated digests to their prefixes. */
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
  return failure('delta.index', 'cannot read the block index of the release', {
    why,
    next: 'report this to the publisher of the repository',
  });
}
