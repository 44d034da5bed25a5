import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import type { Server } from 'node:net';

/**
 * Listens on a UNIX socket that only its owner can connect to, from the moment it exists. Replaces
 * `path`: the caller has checked that no process serves it.
 */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  await rm(path, { force: true });
  const before = process.umask(0o177); // listen() binds at once
  try {
    server.listen(path);
  } finally {
    process.umask(before);
  }
  await once(server, 'listening');
}
