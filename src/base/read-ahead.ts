import type { FileHandle } from 'node:fs/promises';

/**
 * Fills `target` with the bytes at `position` and returns it. Rejects when there are fewer bytes.
 */
export type ReadAt = (target: Buffer, position: number) => Promise<Buffer>;

/**
 * Bytes read at once, a multiple of the block size. Small enough to stay in the processor's cache
 * until hashed.
 */
export const chunkSize = 1024 * 1024;

export interface Chunk {
  readonly position: number;
  /** Valid until the next chunk is requested. */
  readonly bytes: Buffer;
}

/**
 * Reads the first `length` bytes of an image in chunks of 1 MiB. Each chunk is read while its
 * predecessor is processed (files: on Node's thread pool). A consumer that stops early leaves a
 * pending read, for which `FileHandle.close` waits.
 *
 * No worker threads: starting and warming up one took about half the processor time of hashing a
 * whole release (350 MB, two processors). It gained little with both processors idle and was slower
 * than veritysetup with them busy.
 * @throws Error when the file ends early; Node's system errors when it cannot be read.
 */
export async function* readAhead(readAt: ReadAt, length: number): AsyncGenerator<Chunk> {
  let [current, spare] = [Buffer.allocUnsafe(chunkSize), Buffer.allocUnsafe(chunkSize)];
  const read = (buffer: Buffer, position: number) => {
    const reading = readAt(buffer.subarray(0, length - position), position);
    reading.catch(() => {}); // a failure is thrown when it is awaited, not while the previous chunk is processed
    return reading;
  };
  let pending = read(current, 0);
  for (let position = 0; position < length; position += chunkSize) {
    const bytes = await pending;
    pending = read(spare, Math.min(position + chunkSize, length));
    yield { position, bytes };
    [current, spare] = [spare, current];
  }
}

/** Returns a reader of a file. @param base offset in the file of position 0. */
export function readsOf(file: FileHandle, base = 0): ReadAt {
  return async (target, position) => {
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await file.read(target, done, target.length - done, base + position + done);
      if (bytesRead === 0) throw new Error(`unexpected end of file at byte ${base + position + done}`);
      done += bytesRead;
    }
    return target;
  };
}
