import type { FileHandle } from 'node:fs/promises';

/** Fills all of `target` from `position` on, and answers it. Rejects when there is not so much. */
export type ReadAt = (target: Buffer, position: number) => Promise<Buffer>;

/** Bytes read at once: they stay in a processor's cache until they are hashed. Whole blocks. */
export const chunkSize = 1024 * 1024;

export interface Chunk {
  readonly position: number;
  /** Valid until the next chunk is asked for. */
  readonly bytes: Buffer;
}

/**
 * Reads the first `length` bytes of an image, 1 MiB at a time; each chunk is read while its predecessor is worked on, of a
 * file on Node's thread pool. Who stops early leaves a read under way, for which `FileHandle.close` waits.
 *
 * No worker threads: to start one and to warm its code up took about half the processor time of hashing a whole release,
 * measured on two processors with 350 MB. It gained little when both were free, and lost to veritysetup when not.
 * @throws Error when the file ends early; Node's own when it cannot be read.
 */
export async function* readAhead(readAt: ReadAt, length: number): AsyncGenerator<Chunk> {
  let [current, spare] = [Buffer.allocUnsafe(chunkSize), Buffer.allocUnsafe(chunkSize)];
  const read = (buffer: Buffer, position: number) => {
    const reading = readAt(buffer.subarray(0, length - position), position);
    reading.catch(() => {}); // its failure is met when it is awaited, not while the chunk before is worked on
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

/** Reads a file. @param base where position 0 is in it. */
export function readsOf(file: FileHandle, base = 0): ReadAt {
  return async (target, position) => {
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await file.read(target, done, target.length - done, base + position + done);
      if (bytesRead === 0) throw new Error(`it ended at byte ${base + position + done} while it was read`);
      done += bytesRead;
    }
    return target;
  };
}
