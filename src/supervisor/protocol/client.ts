import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { describe, failure, HoldfastError, isSystemError } from '../../base/errors.ts';
import type { ChannelName } from '../../channel/channels.ts';
import type { CommandEnd, GuestCommand, StartCommand } from '../../channel/guest.ts';
import {
  decodeEnd,
  decodeJson,
  decodeNumber,
  encodeFrame,
  encodeJson,
  encodeNumbers,
  type Frame,
  FrameDecoder,
  frameTypes,
  inputWindow,
  payloadLimit,
  protocolError,
  protocolVersion,
  type Request,
} from './frames.ts';
import { unlessHung } from './liveness.ts';

/** The question that only a supervisor that hangs leaves unanswered. */
const probe = 'status';

/**
 * Sends one request to a supervisor and returns its reply, which the caller validates.
 * @throws HoldfastError the error of the supervisor, `supervisor.absent` when there is none, `supervisor.hangs`, `supervisor.lost`.
 */
export async function ask(socketPath: string, request: Request): Promise<unknown> {
  const { reply, release } = await hold(socketPath, request);
  release();
  return reply;
}

/**
 * Requests a resource that the supervisor reserves until `release` or the end of this process. Throws as
 * `ask` does.
 */
export async function hold(
  socketPath: string,
  request: Request,
): Promise<{ reply: unknown; release: () => void }> {
  const socket = await send(socketPath, request);
  try {
    const answered = new Promise<unknown>((resolve, reject) => {
      receive(socket, reject, ({ type, payload }) => {
        if (type === frameTypes.reply) resolve(decodeJson(payload));
        else if (type === frameTypes.error) resolve(failAs(payload));
        else reject(protocolError(`unexpected frame of type ${type} instead of a reply`));
      });
    });
    const reply = await unlessHung(
      socketPath,
      answered,
      request.verb === probe ? undefined : () => ask(socketPath, { verb: probe }),
    );
    return { reply, release: () => socket.destroy() };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Returns a function that starts commands through the supervisor's session of a channel. It throws as `ask` and `Session.start` do. */
export function startThrough(socketPath: string, channel: ChannelName): StartCommand {
  return async (argv, terminal) => {
    const socket = await send(socketPath, { verb: 'exec', channel, argv, terminal });
    return new Promise((resolve, reject) => {
      const { command, take, lose, fail } = commandOver(socket);
      unlessHung(socketPath, closedOf(socket), () => ask(socketPath, { verb: probe })).catch(
        (error: unknown) => {
          reject(error);
          lose(error);
        },
      );
      receive(
        socket,
        (error) => {
          reject(error);
          lose(error);
        },
        (frame) => {
          if (frame.type === frameTypes.started) resolve(command);
          else if (frame.type === frameTypes.error) {
            const failed = failAs(frame.payload);
            resolve(failed);
            fail(failed);
          } else take(frame);
        },
      );
    });
  };
}

function closedOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

async function send(socketPath: string, request: Request): Promise<Socket> {
  const socket = connect(socketPath);
  socket.on('error', () => {}); // reported by `connect`, later by 'close'
  socket.write(encodeFrame(frameTypes.request, encodeJson({ version: protocolVersion, ...request })));
  try {
    await once(socket, 'connect');
  } catch (error) {
    const isAbsent = isSystemError(error, 'ENOENT') || isSystemError(error, 'ECONNREFUSED');
    throw failure('supervisor.absent', 'the machine is not running', {
      why: isAbsent ? 'it has no supervisor' : `its supervisor cannot be reached: ${describe(error)}`,
      next: isAbsent ? 'run `holdfast start`' : 'see `holdfast status`',
      cause: error,
    });
  }
  return socket;
}

/** Passes on each frame. Any failure is reported once, and closes the connection. */
function receive(socket: Socket, fail: (error: unknown) => void, take: (frame: Frame) => void): void {
  const decoder = new FrameDecoder();
  socket.on('data', (piece: Buffer) => {
    try {
      for (const frame of decoder.decode(piece)) take(frame);
    } catch (error) {
      fail(error);
      socket.destroy();
    }
  });
  socket.on('close', () => {
    fail(
      failure('supervisor.lost', 'the connection to the supervisor was lost', {
        why: 'it was closed before the command ended',
        next: 'run `holdfast status` to see whether the machine still runs',
      }),
    );
  });
}

/** Returns a command over the socket; `take` receives its frames, `lose` ends it when the connection fails. */
function commandOver(socket: Socket) {
  const end = Promise.withResolvers<CommandEnd>();
  let over = false;
  const stdout = outputOf(socket, () => stderr);
  const stderr = outputOf(socket, () => stdout);
  const input = inputOver(socket);
  const ended = Promise.all([end.promise, once(stdout, 'close'), once(stderr, 'close')]).then(([how]) => how);
  ended.catch(() => {}); // reported to callers that wait for it

  const stop = () => {
    over = true;
    stdout.push(null);
    stderr.push(null);
    input.stream.destroy();
    socket.destroy();
  };
  const deliver = (output: Readable, payload: Buffer) => {
    if (!output.destroyed && !output.push(payload)) socket.pause();
  };
  const take = ({ type, payload }: Frame) => {
    if (over) return;
    if (type === frameTypes.output) deliver(stdout, payload);
    else if (type === frameTypes.errorOutput) deliver(stderr, payload);
    else if (type === frameTypes.grant) input.grant(decodeNumber(payload));
    else if (type === frameTypes.exit) {
      end.resolve(decodeEnd(payload));
      stop();
    } else throw protocolError(`unexpected frame of type ${type}`);
  };
  const lose = (error: unknown) => {
    end.reject(error);
    if (!over) stop();
  };
  const fail = (failed: Promise<never>) => {
    end.resolve(failed);
    if (!over) stop();
  };
  const command: GuestCommand = {
    stdin: input.stream,
    stdout,
    stderr,
    ended,
    signal: (name) => void socket.write(encodeFrame(frameTypes.signal, Buffer.from(name))),
    resize: (columns, rows) =>
      void socket.write(encodeFrame(frameTypes.resize, encodeNumbers(columns, rows))),
    hangUp: () => void socket.destroy(),
  };
  return { command, take, lose, fail };
}

/** Returns an output. Both share the socket, which is read when this one is requested and the other has room. */
function outputOf(socket: Socket, other: () => Readable): Readable {
  const flow = () => {
    if (!isFull(other())) socket.resume();
  };
  return new Readable({
    read: flow,
    destroy(error, done) {
      flow();
      done(error);
    },
  });
}

function isFull(output: Readable): boolean {
  return !output.destroyed && output.readableLength >= output.readableHighWaterMark;
}

/** Returns standard input, which sends as much as was granted, and buffers the rest until more is granted. */
function inputOver(socket: Socket) {
  let granted = inputWindow;
  let rest: Buffer = Buffer.alloc(0);
  let done: (() => void) | undefined;
  const flow = () => {
    while (rest.length > 0 && granted > 0) {
      const part = rest.subarray(0, Math.min(granted, payloadLimit));
      rest = rest.subarray(part.length);
      granted -= part.length;
      socket.write(encodeFrame(frameTypes.input, part));
    }
    if (rest.length > 0) return;
    const written = done;
    done = undefined;
    written?.();
  };
  const stream = new Writable({
    write(chunk: Buffer, _encoding, written) {
      rest = chunk;
      done = written;
      flow();
    },
    final(ended) {
      socket.write(encodeFrame(frameTypes.inputEnd));
      ended();
    },
  });
  return {
    stream,
    grant(bytes: number) {
      granted += bytes;
      flow();
    },
  };
}

/**
 * Throws the error that the supervisor sent. One with an unknown code comes from another version: its text is
 * passed on.
 */
async function failAs(payload: Buffer): Promise<never> {
  const { isErrorCode } = await import('../../base/error-codes.ts'); // not loaded by a command that succeeds
  const sent = decodeJson(payload);
  const fields: Readonly<Record<string, unknown>> = { ...(typeof sent === 'object' && sent) };
  const { code, exitCode, message, why, next } = fields;
  throw new HoldfastError(
    isErrorCode(code) ? code : 'supervisor.protocol',
    exitCode === 2 ? 2 : 1,
    typeof message === 'string' && message !== '' ? message : 'the supervisor failed and gave no reason',
    { ...(typeof why === 'string' && { why }), ...(typeof next === 'string' && { next }) },
  );
}
