import { appendFileSync, renameSync, statSync } from 'node:fs';
import { isSystemError } from '../base/errors.ts';
import { MiB } from '../base/size.ts';

/**
 * A log of lines with their times, kept in `path` and, once that is full, in `path.1`: never more than twice `maximum`
 * bytes. Lines are written at once, so that the last words of a process are there.
 */
export function openLogFile(
  path: string,
  maximum: number = MiB,
  now = () => new Date(),
): (line: string) => void {
  let size = sizeOf(path);
  return (line) => {
    // one line for one event, whatever a guest or a program put into it
    const record = `${now().toISOString()} ${line.replaceAll(/\p{Cc}+/gu, ' ')}\n`;
    if (size + Buffer.byteLength(record) > maximum && size > 0) {
      renameSync(path, previousLog(path));
      size = 0;
    }
    appendFileSync(path, record, { mode: 0o600 });
    size += Buffer.byteLength(record);
  };
}

/** Where the older part of a log is. */
export function previousLog(path: string): string {
  return `${path}.1`;
}

/** Puts a file that others append to aside once it is full, so that it begins anew: never more than two are kept. */
export function rotateLog(path: string, maximum: number = MiB): void {
  if (sizeOf(path) > maximum) renameSync(path, previousLog(path));
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return 0;
    throw error;
  }
}
