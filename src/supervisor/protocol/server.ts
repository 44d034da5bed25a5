import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { z } from 'zod';
import { describe, failure, HoldfastError } from '../../base/errors.ts';
import { debug } from '../../base/log.ts';
import { listenPrivately } from '../../base/private-socket.ts';
import {
  decodeJson,
  encodeData,
  encodeFrame,
  encodeJson,
  type Frame,
  FrameDecoder,
  type FrameType,
  frameTypes,
  protocolError,
  protocolVersion,
} from './frames.ts';

/** One client, while its request is being handled. */
export interface Connection {
  /** Aborted when the client is gone. */
  readonly gone: AbortSignal;
  /** Sends data in as many frames as it takes; false when the client is slow or gone: wait for `drained`. */
  send(type: FrameType, data?: Buffer): boolean;
  drained(): Promise<void>;
  /** Takes the frames that follow the request. Until then, and after it throws, the connection is ended by any. */
  receive(take: (frame: Frame) => void): void;
}

/** Handles one request, already read as JSON but not yet checked. What it throws is told to the client. */
export type Handler = (request: unknown, connection: Connection) => Promise<void>;

/** A handler for a verb with one answer. `work` is told when the client is gone. */
export function answer<Schema extends z.ZodType>(
  schema: Schema,
  work: (request: z.output<Schema>, gone: AbortSignal) => Promise<unknown>,
): Handler {
  return async (request, connection) => {
    const result = await work(parseRequest(schema, request), connection.gone);
    connection.send(frameTypes.reply, encodeJson(result ?? null));
  };
}

/** @throws HoldfastError `supervisor.protocol`. */
export function parseRequest<Schema extends z.ZodType>(schema: Schema, request: unknown): z.output<Schema> {
  const parsed = schema.safeParse(request);
  if (parsed.success) return parsed.data;
  throw protocolError(`the request is malformed: ${describe(parsed.error)}`);
}

/** What every request has; the rest is the verb's. */
const envelope = z.object({ version: z.number(), verb: z.string() });

export interface Server {
  /** Ends all connections and removes the socket. */
  close(): Promise<void>;
}

/**
 * Serves the supervisor's socket, which only its owner may use. Replaces what a dead supervisor left there: the caller
 * has made sure that no other one lives.
 * @param handlers by verb.
 */
export async function serve(
  socketPath: string,
  handlers: Readonly<Record<string, Handler>>,
): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveClient(socket, handlers);
  });
  await listenPrivately(server, socketPath);
  return {
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function serveClient(socket: Socket, handlers: Readonly<Record<string, Handler>>): void {
  const decoder = new FrameDecoder();
  const gone = new AbortController();
  let take = (frame: Frame) => {
    if (frame.type !== frameTypes.request) throw protocolError('the first frame was not a request');
    take = () => {
      throw protocolError('a frame came that this request does not take');
    };
    void handle(decodeJson(frame.payload));
  };
  const connection: Connection = {
    gone: gone.signal,
    send: (type, data) => {
      if (!socket.writable) return false;
      if (data === undefined || data.length === 0) socket.write(encodeFrame(type));
      else for (const frame of encodeData(type, data)) socket.write(frame);
      return !socket.writableNeedDrain;
    },
    drained: async () => {
      await once(socket, 'drain', { signal: gone.signal }).catch(() => {}); // nobody needs to wait for the gone
    },
    receive: (taker) => {
      take = taker;
    },
  };
  const tell = (error: unknown) => {
    debug('supervisor', `request failed: ${describe(error)}`);
    if (socket.writable) socket.end(encodeFrame(frameTypes.error, encodeError(error)));
  };
  const handle = async (request: unknown) => {
    try {
      await handlerOf(request, handlers)(request, connection);
      socket.end();
    } catch (error) {
      tell(error);
    }
  };
  socket.on('data', (piece: Buffer) => {
    if (gone.signal.aborted) return; // refused, and yet it sends
    try {
      for (const frame of decoder.decode(piece)) take(frame);
    } catch (error) {
      tell(error);
      gone.abort();
    }
  });
  socket.on('error', () => {}); // 'close' follows
  socket.on('close', () => gone.abort());
}

function handlerOf(request: unknown, handlers: Readonly<Record<string, Handler>>): Handler {
  const { version, verb } = parseRequest(envelope, request);
  debug('supervisor', `request ${verb}`);
  if (version !== protocolVersion) {
    throw protocolError(`the supervisor speaks version ${protocolVersion}, the command ${version}`);
  }
  const handler = Object.hasOwn(handlers, verb) ? handlers[verb] : undefined;
  if (!handler) throw protocolError(`the supervisor knows no '${verb}'`);
  return handler;
}

function encodeError(error: unknown): Buffer {
  if (!(error instanceof HoldfastError)) {
    return encodeError(failure('supervisor.internal', describe(error)));
  }
  const { code, exitCode, message, why, next } = error;
  return encodeJson({ code, exitCode, message, why, next });
}
