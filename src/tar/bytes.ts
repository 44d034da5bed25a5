import { ArchiveError } from './entry.ts';

const nothing = Buffer.alloc(0);

/** Reads exact numbers of bytes from chunks of any size. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = nothing;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Returns one to `maximum` bytes; undefined at the end. */
  async some(maximum: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return undefined;
      this.#rest = next.value;
    }
    const bytes = this.#rest.subarray(0, maximum);
    this.#rest = this.#rest.subarray(bytes.length);
    return bytes;
  }

  /** @throws ArchiveError when the stream ends before. */
  async exactly(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let missing = count; missing > 0; ) {
      const bytes = await this.some(missing);
      if (!bytes) throw new ArchiveError('it is truncated', true);
      parts.push(bytes);
      missing -= bytes.length;
    }
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }
}
