import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { describe, failure } from '../base/errors.ts';
import { MiB } from '../base/size.ts';
import { blockSize } from '../verity/geometry.ts';
import { unitSize, unitsPerBlock } from './old-blocks.ts';
import type { Run } from './plan.ts';

/**
 * Blocks of the new release in one part of a pack. With the context, this bounds the memory on both
 * sides.
 */
const blocksPerPart = (8 * MiB) / blockSize;

/** Bytes of the old release that the parts of a pack can refer to. */
const contextLimit = 32 * MiB;

const zstdCompress = promisify(zlib.zstdCompress);
const zstdDecompress = promisify(zlib.zstdDecompress);

/** Base-2 logarithm of the window, which covers context and part (RFC 8878, section 3.1.1.1.2). */
const windowLog = 26;

/** A range of the old content, in units. */
export interface Stretch {
  readonly start: number;
  readonly units: number;
}

/**
 * Returns the context of a pack: the ranges of the old release that the new one does not reuse, up
 * to the limit. New content resembles what it replaces; the rest would only increase the match
 * distances.
 */
export function contextOf(runs: readonly Run[], oldUnits: number): Stretch[] {
  const reused = new Uint8Array(oldUnits);
  for (const { from, blocks } of runs)
    if (from !== undefined) reused.fill(1, from, from + blocks * unitsPerBlock);
  const stretches: Stretch[] = [];
  let room = contextLimit / unitSize;
  for (let start = reused.indexOf(0); start !== -1 && room > 0; ) {
    const next = reused.indexOf(1, start);
    const end = Math.min(next === -1 ? oldUnits : next, start + room);
    stretches.push({ start, units: end - start });
    room -= end - start;
    start = next === -1 ? -1 : reused.indexOf(0, next);
  }
  return stretches;
}

/** Divides the blocks that the host lacks into parts. Each part lists block numbers. */
export function partsOf(runs: readonly Run[]): number[][] {
  const parts: number[][] = [];
  for (const { firstBlock, blocks, from } of runs) {
    if (from !== undefined) continue;
    for (let block = firstBlock; block < firstBlock + blocks; block += 1) {
      const last = parts.at(-1);
      if (last && last.length < blocksPerPart) last.push(block);
      else parts.push([block]);
    }
  }
  return parts;
}

/** Compresses the blocks of one part with the context as dictionary. */
export async function encodePart(data: Uint8Array, context: Buffer): Promise<Buffer> {
  const { constants } = zlib;
  const params = {
    [constants.ZSTD_c_compressionLevel]: 19,
    [constants.ZSTD_c_windowLog]: windowLog,
    [constants.ZSTD_c_enableLongDistanceMatching]: 1,
  };
  return zstdCompress(data, { params, ...(context.length > 0 && { dictionary: context }) });
}

/** Decompresses one part. @throws HoldfastError `delta.pack`. */
export async function decodePart(bytes: Uint8Array, context: Buffer, size: number): Promise<Buffer> {
  try {
    const params = { [zlib.constants.ZSTD_d_windowLogMax]: windowLog };
    const options = { params, maxOutputLength: size, ...(context.length > 0 && { dictionary: context }) };
    const data = await zstdDecompress(bytes, options);
    if (data.length === size) return data;
    throw new Error(`${data.length} bytes instead of ${size}`);
  } catch (error) {
    throw failure('delta.pack', 'cannot decompress the pack between the two releases', {
      why: describe(error),
      next: 'report this to the publisher of the repository',
    });
  }
}
