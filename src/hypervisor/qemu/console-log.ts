import { copyFile, stat, truncate } from 'node:fs/promises';
import { isSystemError } from '../../base/errors.ts';
import { bounds } from '../../channel/bounds.ts';
import type { RunFiles } from './run-directory.ts';

const interval = 5000;

/**
 * Prevents a guest from filling the host's disk through its console, or through what QEMU and the daemons next to it print about
 * its devices: a log above the limit is copied to `PATH.1` and truncated. It is not replaced, because its writer has it open for
 * appending.
 */
export async function boundLog(path: string, maximum: number): Promise<void> {
  try {
    if ((await stat(path)).size <= maximum) return;
    await copyFile(path, `${path}.1`);
    await truncate(path);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') && !isSystemError(error, 'ENOSPC')) throw error;
    if (isSystemError(error, 'ENOSPC')) await truncate(path); // new output matters more than old
  }
}

/** Limits the sizes of a running machine's logs until the returned function is called. */
export function watchLogs(consoleLog: string, { qemuLog, vsockLog, tpmLog }: RunFiles): () => void {
  const limits: readonly (readonly [string, number])[] = [
    [consoleLog, bounds.consoleLog.bytes],
    ...[qemuLog, vsockLog, tpmLog].map((path) => [path, bounds.processLog.bytes] as const),
  ];
  const timer = setInterval(() => {
    for (const [path, maximum] of limits) void boundLog(path, maximum).catch(() => {});
  }, interval);
  timer.unref();
  return () => clearInterval(timer);
}
