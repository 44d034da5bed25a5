import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import * as z from 'zod';
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

/** A client while its request is handled. */
export interface Connection {
  /** Aborted when the client disconnects. */
  readonly gone: AbortSignal;
  /** Sends data in as many frames as it takes. Returns false when the client is slow or gone: wait for `drained`. */
  send(type: FrameType, data?: Buffer): boolean;
  drained(): Promise<void>;
  /** Takes the frames that follow the request. Without it, and after it throws, any frame ends the connection. */
  receive(take: (frame: Frame) => void): void;
}

/** Handles one request, parsed as JSON but not yet validated. Errors are sent to the client. */
export type Handler = (request: unknown, connection: Connection) => Promise<void>;

/**
 * Returns a handler for a request with one reply. @param work gets a signal that is aborted when the client
 * disconnects.
 */
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

/** The common part of all requests. */
const envelope = z.object({ version: z.number(), verb: z.string() });

export interface Server {
  /** Ends all connections and removes the socket. */
  close(): Promise<void>;
}

/**
 * Serves the supervisor's socket, which only its owner may use. Replaces the socket of a dead supervisor: the
 * caller holds the lock of the supervisor.
 * @param handlers by the `verb` of the request.
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
      throw protocolError('unexpected frame after the request');
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
      await once(socket, 'drain', { signal: gone.signal }).catch(() => {}); // the client is gone
    },
    receive: (taker) => {
      take = taker;
    },
  };
  const sendError = (error: unknown) => {
    debug('supervisor', `request failed: ${describe(error)}`);
    if (socket.writable) socket.end(encodeFrame(frameTypes.error, encodeError(error)));
  };
  const handle = async (request: unknown) => {
    try {
      await handlerOf(request, handlers)(request, connection);
      socket.end();
    } catch (error) {
      sendError(error);
    }
  };
  socket.on('data', (piece: Buffer) => {
    if (gone.signal.aborted) return; // rejected, but still sending
    try {
      for (const frame of decoder.decode(piece)) take(frame);
    } catch (error) {
      sendError(error);
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
    throw protocolError(`the supervisor has protocol version ${protocolVersion}, the command ${version}`);
  }
  const handler = Object.hasOwn(handlers, verb) ? handlers[verb] : undefined;
  if (!handler) throw protocolError(`the supervisor does not support '${verb}'`);
  return handler;
}

function encodeError(error: unknown): Buffer {
  if (!(error instanceof HoldfastError)) {
    return encodeError(failure('supervisor.internal', describe(error)));
  }
  const { code, exitCode, message, why, next } = error;
  return encodeJson({ code, exitCode, message, why, next });
}
