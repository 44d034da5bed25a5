import { copyFile, stat, truncate } from 'node:fs/promises';
import { isSystemError } from '../../base/errors.ts';
import { MiB } from '../../base/size.ts';

const limit = 16 * MiB;
const interval = 10_000;

/**
 * Prevents a guest from filling the host's disk through its console: a log above the limit is copied to `PATH.1` and
 * truncated. It is not replaced, because QEMU has it open for appending.
 */
export async function boundConsoleLog(path: string, maximum: number = limit): Promise<void> {
  try {
    if ((await stat(path)).size <= maximum) return;
    await copyFile(path, `${path}.1`);
    await truncate(path);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') && !isSystemError(error, 'ENOSPC')) throw error;
    if (isSystemError(error, 'ENOSPC')) await truncate(path); // new output matters more than old
  }
}

/** Limits the log's size until the returned function is called. */
export function watchConsoleLog(path: string): () => void {
  const timer = setInterval(() => void boundConsoleLog(path).catch(() => {}), interval);
  timer.unref();
  return () => clearInterval(timer);
}
