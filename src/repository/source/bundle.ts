import { describe, failure, HoldfastError } from '../../base/errors.ts';
import { readsOf } from '../../base/read-ahead.ts';
import { openRegular } from '../../base/regular-file.ts';
import { sourceErrors } from './errors.ts';
import type { ByteRange, RepositorySource } from './source.ts';

/** Limit for the entries of a bundle, far above those of one release. */
const entryLimit = 10_000;

/** Record size and header fields: POSIX.1-2017, pax, "ustar Interchange Format". */
const recordSize = 512;
const fields = { name: [0, 100], size: [124, 136], type: [156, 157], prefix: [345, 500] } as const;

/** The byte range of each file in a bundle. */
type Entries = ReadonlyMap<string, ByteRange>;

/**
 * Opens a bundle: a tar archive of a repository, which is read in place.
 * @throws HoldfastError `repository.bundle` for any other file.
 */
export async function openBundle(name: string, path: string): Promise<RepositorySource> {
  const file = await openRegular(path);
  try {
    const entries = await readEntries(readsOf(file), (await file.stat()).size);
    return {
      name,
      read: async (entry, maximum) => {
        const found = entries.get(entry);
        if (!found) return undefined;
        if (found.end - found.start > maximum) throw sourceErrors.tooLarge(name, entry, maximum);
        return readsOf(file)(Buffer.alloc(found.end - found.start), found.start);
      },
      async *readRange(entry, { start, end }, signal) {
        const found = entries.get(entry);
        if (!found) throw sourceErrors.missing(name, entry);
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
    throw failure('repository.bundle', `${name} is not a bundle`, {
      why: describe(error),
      next: 'name a file made by `holdfast release bundle`, and check that it was copied completely',
      cause: error,
    });
  }
}

async function readEntries(readAt: ReturnType<typeof readsOf>, size: number): Promise<Entries> {
  const entries = new Map<string, ByteRange>();
  for (let at = 0, headers = 0; at + recordSize <= size; headers++) {
    if (headers > entryLimit) throw new Error('it has too many entries');
    const header = await readAt(Buffer.alloc(recordSize), at);
    if (header.every((byte) => byte === 0)) return entries;
    if (header.toString('latin1', 257, 262) !== 'ustar') throw new Error('it is not a tar archive');
    const text = ([from, to]: readonly [number, number]) =>
      header.toString('latin1', from, to).replace(/\0.*$/s, '');
    const octal = text(fields.size).trim();
    if (!/^[0-7]+$/.test(octal)) throw new Error(`an entry has the invalid size '${octal}'`);
    const length = Number.parseInt(octal, 8);
    const start = at + recordSize;
    if (start + length > size) throw new Error('it is truncated');
    const prefix = text(fields.prefix);
    const name = `${prefix === '' ? '' : `${prefix}/`}${text(fields.name)}`.replace(/^\.\//, '');
    if (text(fields.type) === '0') entries.set(name, { start, end: start + length });
    at = start + Math.ceil(length / recordSize) * recordSize;
  }
  throw new Error('it is truncated');
}
