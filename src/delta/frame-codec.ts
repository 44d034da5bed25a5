import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { failure, type HoldfastError, reasonOf } from '../base/errors.ts';

/** How a frame's bytes were made; the first byte of each says. */
const methods = { zstd: 1, brotli: 2 } as const;

/** What a publisher spends on a frame: `quick` for what few will fetch, `thorough` for what changed since older releases. */
export type Effort = 'quick' | 'thorough';

const zstdCompress = promisify(zlib.zstdCompress);
const zstdDecompress = promisify(zlib.zstdDecompress);
const brotliCompress = promisify(zlib.brotliCompress);
const brotliDecompress = promisify(zlib.brotliDecompress);

/** Brotli's strongest took 17 s for 8 MB where zstd's took 5 and left 6 % more: worth it only for what many fetch. */
export async function encodeFrame(data: Uint8Array, effort: Effort): Promise<Buffer> {
  const { constants } = zlib;
  if (effort === 'quick') {
    const params = { [constants.ZSTD_c_compressionLevel]: 6 };
    return Buffer.concat([Buffer.of(methods.zstd), await zstdCompress(data, { params })]);
  }
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: data.length,
  };
  return Buffer.concat([Buffer.of(methods.brotli), await brotliCompress(data, { params })]);
}

/**
 * @param size bytes that must come out: nothing larger is unpacked.
 * @throws HoldfastError `delta.frame`.
 */
export async function decodeFrame(bytes: Buffer, size: number): Promise<Buffer> {
  const body = bytes.subarray(1);
  const options = { maxOutputLength: size };
  let data: Buffer;
  try {
    if (bytes[0] === methods.zstd) data = await zstdDecompress(body, options);
    else if (bytes[0] === methods.brotli) data = await brotliDecompress(body, options);
    else throw new Error(`method ${bytes[0]} is not known`);
  } catch (error) {
    throw malformed(reasonOf(error));
  }
  if (data.length !== size) throw malformed(`${data.length} bytes instead of ${size}`);
  return data;
}

function malformed(why: string): HoldfastError {
  return failure('delta.frame', 'a part of the release cannot be unpacked', {
    why,
    next: 'tell whoever publishes the repository',
  });
}
