import { once } from 'node:events';
import type { Socket } from 'node:net';
import { getSystemErrorMessage } from 'node:util';
import { describe, HoldfastError } from '../base/errors.ts';
import type { BlockDevice } from './block-device.ts';
import {
  checkGreeting,
  decodeExportSize,
  decodeOptionReplyHeader,
  decodeSimpleReply,
  encodeGo,
  encodeRequest,
  greetingLength,
  type NbdCommand,
  nbdError,
  optionReplyHeaderLength,
  requestLimit,
  simpleReplyLength,
} from './nbd-messages.ts';
import { connectSocket, type Take } from './socket-stream.ts';

const nothing = Buffer.alloc(0);

interface Waiting {
  /** Buffer for the data that follows a successful reply. */
  readonly target: Buffer;
  resolve(target: Buffer): void;
  reject(error: Error): void;
}

/**
 * Opens an export of an NBD server. Requests can overlap; each has its own reply.
 * @param socketPath UNIX socket of the server.
 * @throws HoldfastError `disk.device` when it is not served.
 */
export async function connectNbd(socketPath: string, exportName: string): Promise<BlockDevice> {
  const { socket, take } = connectSocket(socketPath);
  try {
    const size = await negotiate(socket, take, exportName);
    return deviceOver(socket, take, size);
  } catch (error) {
    socket.destroy();
    if (error instanceof HoldfastError) throw error;
    throw nbdError(describe(error));
  }
}

async function negotiate(socket: Socket, take: Take, exportName: string): Promise<number> {
  checkGreeting(await take(Buffer.alloc(greetingLength)));
  socket.write(encodeGo(exportName));
  let size: number | undefined;
  for (;;) {
    const { kind, length } = decodeOptionReplyHeader(await take(Buffer.alloc(optionReplyHeaderLength)));
    const data = await take(Buffer.alloc(length));
    if (kind === 'error') throw nbdError(`the server rejected the export: ${data.toString('latin1')}`);
    if (kind === 'info') size ??= decodeExportSize(data);
    else if (size === undefined) throw nbdError('the server did not send the size of the disk');
    else return size;
  }
}

function deviceOver(socket: Socket, take: Take, size: number): BlockDevice {
  const waiting = new Map<bigint, Waiting>();
  let lastCookie = 0n;
  let gone: HoldfastError | undefined;

  const receive = async () => {
    const header = Buffer.alloc(simpleReplyLength);
    for (;;) {
      const { error, cookie } = decodeSimpleReply(await take(header));
      const request = waiting.get(cookie);
      if (!request) throw nbdError('the server sent an unexpected reply');
      const { target } = request;
      if (error === 0 && target.length > 0) await take(target);
      waiting.delete(cookie); // only now: the server may end in the middle of the data
      if (error === 0) request.resolve(target);
      else request.reject(nbdError(getSystemErrorMessage(-error)));
    }
  };
  receive().catch((error: unknown) => {
    gone = error instanceof HoldfastError ? error : nbdError(describe(error));
    socket.destroy();
    for (const request of waiting.values()) request.reject(gone);
    waiting.clear();
  });

  /** Sends a request with the data to write, or with the buffer for the data to read. */
  const ask = (
    command: NbdCommand,
    offset: number,
    { data = nothing, target = nothing }: { readonly data?: Buffer; readonly target?: Buffer } = {},
  ): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      if (gone) return reject(gone);
      const length = data.length + target.length;
      if (offset + length > size) return reject(new RangeError(`the disk ends at ${size}`));
      if (length > requestLimit) return reject(new RangeError(`${length} bytes in one request`));
      const cookie = ++lastCookie;
      waiting.set(cookie, { target, resolve, reject });
      socket.write(encodeRequest({ command, cookie, offset, length }));
      if (data.length > 0) socket.write(data);
    });

  return {
    size,
    read: (target, offset) => ask('read', offset, { target }),
    write: async (offset, data) => {
      await ask('write', offset, { data });
    },
    flush: async () => {
      await ask('flush', 0);
    },
    close: async () => {
      if (socket.destroyed) return;
      socket.end(encodeRequest({ command: 'disconnect', cookie: 0n, offset: 0, length: 0 }));
      await once(socket, 'close');
    },
  };
}
