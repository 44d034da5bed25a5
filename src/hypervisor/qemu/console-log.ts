import { copyFile, stat, truncate } from 'node:fs/promises';
import { isSystemError } from '../../base/errors.ts';
import { MiB } from '../../base/size.ts';

const limit = 16 * MiB;
const interval = 10_000;

/**
 * Keeps a guest from filling the host's disk through its console: a log above the limit moves to `PATH.1` and begins
 * anew. QEMU has the file open for appending, so it is emptied, not replaced.
 */
export async function boundConsoleLog(path: string, maximum: number = limit): Promise<void> {
  try {
    if ((await stat(path)).size <= maximum) return;
    await copyFile(path, `${path}.1`);
    await truncate(path);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') && !isSystemError(error, 'ENOSPC')) throw error;
    if (isSystemError(error, 'ENOSPC')) await truncate(path); // the next words matter more than the last
  }
}

/** Bounds the log for as long as somebody looks after the machine. @returns what ends it. */
export function watchConsoleLog(path: string): () => void {
  const timer = setInterval(() => void boundConsoleLog(path).catch(() => {}), interval);
  timer.unref();
  return () => clearInterval(timer);
}
