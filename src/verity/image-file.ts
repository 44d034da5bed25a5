import { type FileHandle, open } from 'node:fs/promises';
import { describe, failure, HoldfastError } from '../base/errors.ts';

/**
 * Runs `work` with an open image file.
 * @throws HoldfastError `verity.io` for system errors; errors of `work` unchanged.
 */
export async function withImageFile<T>(
  path: string,
  flags: string | number,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  try {
    const file = await open(path, flags);
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw failure('verity.io', `cannot read or write ${path}`, {
      why: describe(error),
      cause: error,
    });
  }
}
