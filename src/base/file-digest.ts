import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { readAhead, readsOf } from './read-ahead.ts';

/**
 * Returns the SHA-256 of a file in lower-case hex.
 * @param count receives the size of each chunk read; an exception from it stops the reading.
 * @throws Node's system errors when the file cannot be read.
 */
export async function digestOfFile(path: string, count: (bytes: number) => void = () => {}): Promise<string> {
  const digest = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    for await (const { bytes } of readAhead(readsOf(file), size)) {
      digest.update(bytes);
      count(bytes.length);
    }
  } finally {
    await file.close();
  }
  return digest.digest('hex');
}
