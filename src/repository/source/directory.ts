import { join, normalize, sep } from 'node:path';
import { HoldfastError, isSystemError } from '../../base/errors.ts';
import { readsOf } from '../../base/read-ahead.ts';
import { openRegular } from '../../base/regular-file.ts';
import { sourceErrors } from './errors.ts';
import type { RepositorySource } from './source.ts';

/** Bytes read at once. */
const chunkSize = 1024 * 1024;

/** Opens a repository in a directory, such as a removable disk or a network share. */
export function directorySource(name: string, directory: string): RepositorySource {
  /** Returns undefined for a path outside the directory: paths come from metadata. */
  const placeOf = (path: string) => {
    const place = normalize(join(directory, path));
    return place.startsWith(`${normalize(directory)}${sep}`) ? place : undefined;
  };
  const openFile = async (path: string) => {
    const place = placeOf(path);
    if (place === undefined) return undefined;
    try {
      return await openRegular(place);
    } catch (error) {
      if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return undefined;
      throw error instanceof HoldfastError ? error : sourceErrors.unreachable(name, path, error);
    }
  };
  return {
    name,
    read: async (path, maximum) => {
      const file = await openFile(path);
      if (!file) return undefined;
      try {
        const { size } = await file.stat();
        if (size > maximum) throw sourceErrors.tooLarge(name, path, maximum);
        return await readsOf(file)(Buffer.alloc(size), 0);
      } finally {
        await file.close();
      }
    },
    async *readRange(path, { start, end }, signal) {
      const file = await openFile(path);
      if (!file) throw sourceErrors.missing(name, path);
      try {
        for (let at = start; at < end; ) {
          signal.throwIfAborted();
          const chunk = Buffer.alloc(Math.min(chunkSize, end - at));
          const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
          if (bytesRead === 0) return;
          yield chunk.subarray(0, bytesRead);
          at += bytesRead;
        }
      } finally {
        await file.close();
      }
    },
    close: async () => {},
  };
}
