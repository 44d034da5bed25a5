import { type FileHandle, open } from 'node:fs/promises';
import { readsOf } from '../base/read-ahead.ts';
import { blockSize } from '../verity/geometry.ts';
import { type Location, unitSize } from './old-blocks.ts';

/** A file, or a range of one. */
export interface RowPart {
  readonly path: string;
  /** In bytes from the start of the file. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
}

/**
 * Reads files as one row of units. Each part starts a block and is padded to whole blocks with
 * zeros.
 */
export class RowReader {
  readonly #parts: readonly { readonly file: FileHandle; readonly part: RowPart; readonly start: number }[];
  /** Bytes of the whole row. */
  readonly #size: number;

  private constructor(files: readonly FileHandle[], parts: readonly RowPart[]) {
    let start = 0;
    this.#parts = files.flatMap((file, index) => {
      const part = parts[index];
      if (!part) return [];
      const placed = { file, part, start };
      start += Math.ceil(part.size / blockSize) * blockSize;
      return [placed];
    });
    this.#size = start;
  }

  /** @throws Node's system errors when a file cannot be opened. */
  static async open(parts: readonly RowPart[]): Promise<RowReader> {
    const files: FileHandle[] = [];
    try {
      for (const { path } of parts) files.push(await open(path, 'r'));
    } catch (error) {
      for (const file of files) await file.close();
      throw error;
    }
    return new RowReader(files, parts);
  }

  get units(): number {
    return this.#size / unitSize;
  }

  /** Returns the location of the first unit of a part. */
  startOf(part: number): Location {
    return ((this.#parts[part]?.start ?? 0) / unitSize) as Location;
  }

  /** @throws Error when the row, or one of its files, ends early. */
  async read(start: number, units: number): Promise<Buffer> {
    const bytes = Buffer.alloc(units * unitSize);
    const from = start * unitSize;
    if (from + bytes.length > this.#size)
      throw new RangeError(`${units} units at unit ${start} exceed the row`);
    for (const { file, part, start: partStart } of this.#parts) {
      const begin = Math.max(from, partStart);
      const end = Math.min(from + bytes.length, partStart + part.size);
      if (begin < end)
        await readsOf(file, part.offset)(bytes.subarray(begin - from, end - from), begin - partStart);
    }
    return bytes;
  }

  async close(): Promise<void> {
    for (const { file } of this.#parts) await file.close();
  }
}
