import { connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { ErrorCode } from '../base/error-codes.ts';
import { describe, failure, type HoldfastError } from '../base/errors.ts';
import { listenPrivately } from '../base/private-socket.ts';
import { bounds } from './bounds.ts';

/** Length of the longest valid answer. */
const answerLimit = 'OK 4294967295\n'.length;
const newline = 0x0a;

export interface ConnectOptions {
  /** Time limit for the whole exchange; default 10 s. */
  readonly timeoutMs?: number;
}

/**
 * Connects to a vsock port of the guest through the UNIX socket of vhost-device-vsock
 * (Firecracker's protocol: docs/vsock.md, "Host-Initiated Connections"). The stream can be
 * destroyed at any time: see `Draining`.
 * @throws HoldfastError `channel.unreachable` (no such socket), `channel.refused` (nothing listens
 *   on the port yet), `channel.timeout`, `channel.malformed`.
 */
export async function connectVsock(
  socketPath: string,
  port: number,
  options: ConnectOptions = {},
): Promise<Duplex> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => {
        reject(problem('channel.timeout', port, `the guest did not respond within ${timeoutMs} ms`));
      }, timeoutMs);
      socket.once('error', (error) => {
        reject(problem('channel.unreachable', port, describe(error)));
      });
      socket.once('end', () => {
        reject(problem('channel.refused', port, 'no program in the guest listens on it yet'));
      });
      readAnswer(socket, port, resolve, reject);
      socket.write(`CONNECT ${port}\n`);
    });
    return new Draining(socket);
  } catch (error) {
    retire(socket);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Returns the socket to which vhost-device-vsock connects for a port of the host (docs/vsock.md,
 * "Guest-Initiated Connections").
 */
export function hostPortSocket(socketPath: string, port: number): string {
  return `${socketPath}_${port}`;
}

/**
 * Serves a vsock port of the host to the guest behind the UNIX socket of vhost-device-vsock.
 * @param take receives each connection. The guest can end its half and still wait for answers: end
 *   the stream with `destroy`.
 * @returns a function that stops accepting connections; existing ones stay open.
 */
export async function listenVsock(
  socketPath: string,
  port: number,
  take: (stream: Duplex) => void,
): Promise<{ close(): Promise<void> }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => take(new Draining(socket, true)));
  await listenPrivately(server, hostPortSocket(socketPath, port));
  return {
    // not awaited: connections may last, and Node removes the socket immediately
    close: async () => void server.close(),
  };
}

/** Reads `OK NUMBER\n`; bytes after it stay in the socket. */
function readAnswer(
  socket: Socket,
  port: number,
  resolve: () => void,
  reject: (error: HoldfastError) => void,
): void {
  let answer = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk]);
    const end = answer.indexOf(newline);
    const complete = end !== -1;
    if (!complete && answer.length < answerLimit) return;
    socket.off('data', onData);
    socket.pause();
    const line = answer.toString('latin1', 0, complete ? end : answerLimit);
    if (complete && /^OK \d{1,10}$/.test(line)) {
      if (end + 1 < answer.length) socket.unshift(answer.subarray(end + 1));
      resolve();
    } else {
      reject(problem('channel.malformed', port, `the answer is ${JSON.stringify(line)}`));
    }
  };
  socket.on('data', onData);
}

function problem(code: ErrorCode, port: number, why: string): HoldfastError {
  return failure(code, `cannot reach port ${port} of the guest`, {
    why,
    next: 'wait until the machine has booted; `holdfast status` shows its state',
  });
}

/** Sockets whose other half the guest has not ended, oldest first. */
const retired = new Set<Socket>();

/**
 * Ends this half and reads the other until it ends, for as long as the process lives. A guest that never ends its half loses the
 * oldest, and with it perhaps its channel: see `Draining`.
 */
function retire(socket: Socket): void {
  if (socket.closed) return;
  retired.add(socket);
  socket.on('close', () => retired.delete(socket));
  const [oldest] = retired;
  if (retired.size > bounds.retiredConnection.count) oldest?.destroy();
  socket.on('error', () => {});
  socket.on('end', () => socket.end());
  socket.end();
  socket.resume();
  socket.unref();
}

/**
 * A socket that is drained instead of closed when it is destroyed. vhost-device-vsock 0.3.0 panics
 * when it writes to a closed client, which ends the machine's channel. Therefore only this half is
 * closed, and the guest's is drained.
 */
class Draining extends Duplex {
  readonly #socket: Socket;

  constructor(socket: Socket, allowHalfOpen = false) {
    super({ allowHalfOpen });
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
    socket.pause();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    retire(this.#socket);
    done(error);
  }
}
