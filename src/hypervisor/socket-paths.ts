import { join } from 'node:path';
import { misuse } from '../base/errors.ts';

/** unix(7): `sun_path` has 108 bytes, the last of them NUL. */
const longestSocketPath = 107;

/** The limit for the name of any socket in a machine's run directory, in bytes. */
export const longestSocketName = 24;

/** Returns the bytes by which a socket path in this directory can exceed the limit; negative when there are bytes to spare. */
export function socketPathExcess(directory: string): number {
  return Buffer.byteLength(join(directory, 'x'.repeat(longestSocketName))) - longestSocketPath;
}

/** @throws HoldfastError `home.too-long` (exit code 2) when sockets in this directory could have too long a path. */
export function checkSocketPaths(directory: string): void {
  const excess = socketPathExcess(directory);
  if (excess <= 0) return;
  throw misuse('home.too-long', 'the path of HOLDFAST_HOME is too long', {
    why: `sockets in ${directory} need paths of up to ${longestSocketPath + excess} bytes; Linux allows ${longestSocketPath}`,
    next: 'set HOLDFAST_HOME to a directory with a shorter path, or choose a shorter name for the machine',
  });
}
