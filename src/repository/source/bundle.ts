import { open } from 'node:fs/promises';
import { describe, failure, HoldfastError } from '../../base/errors.ts';
import { readsOf } from '../../base/read-ahead.ts';
import { sourceFailures } from './errors.ts';
import type { ByteRange, Source } from './source.ts';

/** A bundle holds one release: far fewer files. */
const entryLimit = 10_000;

/** POSIX.1-2017, pax, "ustar Interchange Format": records, and the fields of a header. */
const recordSize = 512;
const fields = { name: [0, 100], size: [124, 136], type: [156, 157], prefix: [345, 500] } as const;

/** Where the content of each file of a bundle lies. */
type Entries = ReadonlyMap<string, ByteRange>;

/**
 * Opens a bundle: a tar archive of a repository, read in place.
 * @throws HoldfastError `repository.bundle` when it is none.
 */
export async function openBundle(name: string, path: string): Promise<Source> {
  const file = await open(path, 'r');
  try {
    const entries = await readEntries(readsOf(file), (await file.stat()).size);
    return {
      name,
      read: async (entry, maximum) => {
        const found = entries.get(entry);
        if (!found) return undefined;
        if (found.end - found.start > maximum) throw sourceFailures.tooLarge(name, entry, maximum);
        return readsOf(file)(Buffer.alloc(found.end - found.start), found.start);
      },
      async *readRange(entry, { start, end }, signal) {
        const found = entries.get(entry);
        if (!found) throw sourceFailures.missing(name, entry);
        const stop = Math.min(found.start + end, found.end);
        for (let at = found.start + start; at < stop; ) {
          signal.throwIfAborted();
          const chunk = await readsOf(file)(Buffer.alloc(Math.min(1024 * 1024, stop - at)), at);
          yield chunk;
          at += chunk.length;
        }
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    if (error instanceof HoldfastError) throw error;
    throw failure('repository.bundle', `${name} is no bundle`, {
      why: describe(error),
      next: 'name a file that `holdfast release bundle` made, and check that it was copied whole',
      cause: error,
    });
  }
}

async function readEntries(readAt: ReturnType<typeof readsOf>, size: number): Promise<Entries> {
  const entries = new Map<string, ByteRange>();
  for (let at = 0; at + recordSize <= size; ) {
    const header = await readAt(Buffer.alloc(recordSize), at);
    if (header.every((byte) => byte === 0)) return entries;
    if (header.toString('latin1', 257, 262) !== 'ustar') throw new Error('it is no tar archive');
    const text = ([from, to]: readonly [number, number]) =>
      header.toString('latin1', from, to).replace(/\0.*$/s, '');
    const octal = text(fields.size).trim();
    if (!/^[0-7]+$/.test(octal)) throw new Error(`an entry has the size '${octal}'`);
    const length = Number.parseInt(octal, 8);
    const start = at + recordSize;
    if (start + length > size) throw new Error('it ends early');
    const prefix = text(fields.prefix);
    const name = `${prefix === '' ? '' : `${prefix}/`}${text(fields.name)}`.replace(/^\.\//, '');
    if (text(fields.type) === '0') entries.set(name, { start, end: start + length });
    if (entries.size > entryLimit) throw new Error('it has too many entries');
    at = start + Math.ceil(length / recordSize) * recordSize;
  }
  throw new Error('it ends early');
}
