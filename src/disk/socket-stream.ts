import { connect, type Socket } from 'node:net';
import { nbdError } from './nbd-messages.ts';

/** Fills a buffer with the next bytes and returns it, for one caller at a time. Rejects when the stream ends early. */
export type Take = (target: Buffer) => Promise<Buffer>;

/** Bytes of the receive buffer. */
const arrivalSize = 256 * 1024;

interface Wanted {
  readonly target: Buffer;
  done: number;
  resolve(target: Buffer): void;
  reject(error: Error): void;
}

/**
 * Connects to a UNIX socket. Received bytes are copied once, from a reused buffer to their target:
 * a stream allocates a buffer for every 64 KiB, and collecting those took longer than hashing the
 * content of a slot.
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
        return arrived.length === 0; // false: the socket pauses until all bytes are taken
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
