import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { getSystemErrorMessage } from 'node:util';
import { HoldfastError, reasonOf } from '../base/errors.ts';
import type { BlockDevice } from './block-device.ts';
import {
  type Command,
  checkGreeting,
  decodeExportSize,
  decodeOptionReplyHeader,
  decodeSimpleReply,
  encodeGo,
  encodeRequest,
  greetingLength,
  nbdError,
  optionReplyHeaderLength,
  requestLimit,
  simpleReplyLength,
} from './nbd-messages.ts';

interface Waiting {
  /** Bytes that follow a good reply. */
  readonly length: number;
  resolve(data: Buffer): void;
  reject(error: Error): void;
}

/**
 * Opens an export of an NBD server. Requests may overlap; each is answered on its own.
 * @param socketPath of the server.
 * @throws HoldfastError `disk.device` when nobody serves it.
 */
export async function connectNbd(socketPath: string, exportName: string): Promise<BlockDevice> {
  const socket = connect(socketPath);
  const take = reader(socket);
  try {
    const size = await negotiate(socket, take, exportName);
    return deviceOver(socket, take, size);
  } catch (error) {
    socket.destroy();
    if (error instanceof HoldfastError) throw error;
    throw nbdError(reasonOf(error));
  }
}

async function negotiate(socket: Socket, take: Take, exportName: string): Promise<number> {
  checkGreeting(await take(greetingLength));
  socket.write(encodeGo(exportName));
  let size: number | undefined;
  for (;;) {
    const { kind, length } = decodeOptionReplyHeader(await take(optionReplyHeaderLength));
    const data = await take(length);
    if (kind === 'error') throw nbdError(`the server does not give it: ${data.toString('latin1')}`);
    if (kind === 'info') size ??= decodeExportSize(data);
    else if (size === undefined) throw nbdError('the server does not say how large it is');
    else return size;
  }
}

function deviceOver(socket: Socket, take: Take, size: number): BlockDevice {
  const waiting = new Map<bigint, Waiting>();
  let lastCookie = 0n;
  let gone: HoldfastError | undefined;

  const receive = async () => {
    for (;;) {
      const { error, cookie } = decodeSimpleReply(await take(simpleReplyLength));
      const request = waiting.get(cookie);
      if (!request) throw nbdError('the server answered something that was not asked');
      waiting.delete(cookie);
      if (error !== 0) request.reject(nbdError(getSystemErrorMessage(-error)));
      else request.resolve(request.length === 0 ? Buffer.alloc(0) : await take(request.length));
    }
  };
  receive().catch((error: unknown) => {
    gone = error instanceof HoldfastError ? error : nbdError(reasonOf(error));
    socket.destroy();
    for (const request of waiting.values()) request.reject(gone);
    waiting.clear();
  });

  const ask = (command: Command, offset: number, length: number, data?: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      if (gone) return reject(gone);
      if (offset + length > size) return reject(new RangeError(`the disk ends at ${size}`));
      if (length > requestLimit) return reject(new RangeError(`${length} bytes in one request`));
      const cookie = ++lastCookie;
      waiting.set(cookie, { length: command === 'read' ? length : 0, resolve, reject });
      socket.write(encodeRequest({ command, cookie, offset, length }));
      if (data) socket.write(data);
    });

  return {
    size,
    read: (offset, length) => ask('read', offset, length),
    write: async (offset, data) => {
      await ask('write', offset, data.length, data);
    },
    flush: async () => {
      await ask('flush', 0, 0);
    },
    close: async () => {
      if (socket.destroyed) return;
      socket.end(encodeRequest({ command: 'disconnect', cookie: 0n, offset: 0, length: 0 }));
      await once(socket, 'close');
    },
  };
}

/** Takes exactly so many bytes off a stream; one caller at a time. */
type Take = (length: number) => Promise<Buffer>;

function reader(socket: Socket): Take {
  let failed: Error | undefined;
  let wake = () => {};
  socket.on('readable', () => wake());
  socket.on('error', (error) => {
    failed = error;
  });
  socket.on('close', () => {
    failed ??= nbdError('the server closed the connection');
    wake();
  });
  return async (length) => {
    if (length === 0) return Buffer.alloc(0);
    const pieces: Buffer[] = [];
    for (let missing = length; missing > 0; ) {
      const piece: Buffer | null = socket.read(Math.min(missing, Math.max(socket.readableLength, 1)));
      if (piece) {
        pieces.push(piece);
        missing -= piece.length;
      } else if (failed) throw failed;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
  };
}
