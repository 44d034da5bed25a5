import { appendFileSync, renameSync, statSync } from 'node:fs';
import { isSystemError } from '../base/errors.ts';
import { formatLine, type Subsystem } from '../base/log.ts';
import { MiB } from '../base/size.ts';

/**
 * Opens a log in `path`, whose older part is in `path.1` once `path` was full: never more than twice
 * `maximum` bytes. Lines are written synchronously, so that the last ones before a crash are there.
 */
export function openLogFile(
  path: string,
  maximum: number = MiB,
  now = () => new Date(),
): (subsystem: Subsystem, line: string) => void {
  let size = sizeOf(path);
  return (subsystem, line) => {
    const record = formatLine(subsystem, line, now());
    if (size + Buffer.byteLength(record) > maximum && size > 0) {
      renameSync(path, previousLog(path));
      size = 0;
    }
    appendFileSync(path, record, { mode: 0o600 });
    size += Buffer.byteLength(record);
  };
}

/** Returns the path of the older part of a log. */
export function previousLog(path: string): string {
  return `${path}.1`;
}

/** Renames a file that others append to once it is full, so that they start a new one: there are at most two. */
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
