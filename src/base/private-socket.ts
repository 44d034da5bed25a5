import { once } from 'node:events';
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import type { Server } from 'node:net';
import { failure, isSystemError } from './errors.ts';
import { O_PATH } from './open-directory.ts';

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

/**
 * Runs `work` with a path to the socket at `path` that leads nowhere else: the program that owns its directory could replace it
 * by a link to a socket of another program, which this process may access. The path can be used until `work` is done.
 * @throws HoldfastError `socket.foreign` when there is something else than a socket.
 */
export async function withSocket<T>(path: string, work: (stable: string) => Promise<T>): Promise<T> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return work(path); // whose error says so
    throw error;
  }
  try {
    if ((await handle.stat()).isSocket()) return await work(`/proc/self/fd/${handle.fd}`);
    throw failure('socket.foreign', `cannot connect to ${path}`, {
      why: 'it is no socket: the program behind it has replaced it',
      next: 'run `holdfast restart`; if it happens again, take the guest for compromised',
    });
  } finally {
    await handle.close();
  }
}
