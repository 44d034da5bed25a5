import { connect, type Socket } from 'node:net';
import { nbdError } from './nbd-messages.ts';

/** Fills all of a buffer with what comes next, and answers it; one caller at a time. Rejects when the stream ends before. */
export type Take = (target: Buffer) => Promise<Buffer>;

/** Bytes that are looked at together when they come. */
const arrivalSize = 256 * 1024;

interface Wanted {
  readonly target: Buffer;
  done: number;
  resolve(target: Buffer): void;
  reject(error: Error): void;
}

/**
 * Connects to a UNIX socket. What comes is copied once, from a buffer that is used again and again to where it is wanted: a
 * stream's own buffers, new ones for every 64 KiB, took more time to be collected than a slot's bytes to be hashed.
 */
export function connectSocket(path: string): { readonly socket: Socket; readonly take: Take } {
  let arrived: Uint8Array = Buffer.alloc(0);
  let wanted: Wanted | undefined;
  let failed: Error | undefined;

  const deliver = () => {
    if (!wanted) return;
    const taken = arrived.subarray(0, wanted.target.length - wanted.done);
    wanted.target.set(taken, wanted.done);
    wanted.done += taken.length;
    arrived = arrived.subarray(taken.length);
    if (wanted.done < wanted.target.length) return;
    const { resolve, target } = wanted;
    wanted = undefined;
    resolve(target);
  };
  const socket = connect({
    path,
    onread: {
      buffer: Buffer.allocUnsafe(arrivalSize),
      callback: (length, buffer) => {
        arrived = buffer.subarray(0, length);
        deliver();
        return arrived.length === 0; // else nothing more is read until all of it is taken
      },
    },
  });
  socket.on('error', (error) => {
    failed = error;
  });
  socket.on('close', () => {
    failed ??= nbdError('the server closed the connection');
    wanted?.reject(failed);
  });
  const take: Take = (target) =>
    new Promise((resolve, reject) => {
      const wasFull = arrived.length > 0;
      wanted = { target, done: 0, resolve, reject };
      deliver();
      if (wanted && failed) reject(failed);
      else if (wasFull && arrived.length === 0) socket.resume();
    });
  return { socket, take };
}
