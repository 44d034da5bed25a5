import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAll } from '../base/files.ts';
import { blockSize } from '../verity/geometry.ts';
import { type ContentFile, type PlacedFile, placeFiles } from './content.ts';

/** Writes the large files of the new release, block by block in any order. */
export class RowWriter {
  readonly #files: readonly { readonly handle: FileHandle; readonly placed: PlacedFile }[];

  private constructor(files: readonly { handle: FileHandle; placed: PlacedFile }[]) {
    this.#files = files;
  }

  /** Creates the files in `directory`, sparse and of their final size. */
  static async create(directory: string, files: readonly ContentFile[]): Promise<RowWriter> {
    const opened: { handle: FileHandle; placed: PlacedFile }[] = [];
    try {
      for (const placed of placeFiles(files)) {
        const handle = await open(join(directory, placed.name), 'w', 0o600);
        opened.push({ handle, placed });
        await handle.truncate(placed.size);
      }
    } catch (error) {
      for (const { handle } of opened) await handle.close();
      throw error;
    }
    return new RowWriter(opened);
  }

  /** @param bytes whole blocks; padding beyond the end of a file is dropped. */
  async write(firstBlock: number, bytes: Uint8Array): Promise<void> {
    const from = firstBlock * blockSize;
    for (const { handle, placed } of this.#files) {
      const start = placed.firstBlock * blockSize;
      const begin = Math.max(from, start);
      const end = Math.min(from + bytes.length, start + placed.size);
      if (begin < end) await writeAll(handle, bytes.subarray(begin - from, end - from), begin - start);
    }
  }

  async close(): Promise<void> {
    for (const { handle } of this.#files) await handle.close();
  }
}
