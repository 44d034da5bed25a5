import { type FileHandle, open } from 'node:fs/promises';
import { failure, HoldfastError, reasonOf } from '../base/errors.ts';

/**
 * Opens an image file for the time of `work`.
 * @throws HoldfastError `verity.io` for what the system refuses; those of `work` as they are.
 */
export async function withImage<T>(
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
    throw failure('verity.io', `${path} could not be read or written`, {
      why: reasonOf(error),
      cause: error,
    });
  }
}
