import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type * as z from 'zod';
import { describe, failure } from '../../base/errors.ts';
import { debug } from '../../base/log.ts';
import { bounds } from '../../channel/bounds.ts';
import { LineSplitter, parseMessage, type QmpMessage } from './qmp-message.ts';

export interface QmpEvent {
  readonly name: string;
  readonly data: unknown;
}

/** The control channel of one QEMU. QEMU serves one client at a time. */
export interface Qmp {
  /** QEMU's version, such as `7.2.22`. */
  readonly version: string;
  /**
   * Runs a command and validates the response.
   * @throws HoldfastError `qmp.refused` (QEMU's error), `qmp.malformed`, `qmp.timeout`, `qmp.closed`.
   */
  execute<T>(command: string, argument: Readonly<Record<string, unknown>>, answer: z.ZodType<T>): Promise<T>;
  /** Resolves when the socket is closed, for any reason. */
  readonly closed: Promise<void>;
  close(): void;
}

export interface QmpOptions {
  onEvent(event: QmpEvent): void;
  /** The time limit for each response and for the greeting. Default 10 s. */
  readonly timeoutMs?: number;
}

type QmpAnswer = Extract<QmpMessage, { kind: 'return' | 'error' }>;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * Connects to QEMU and leaves the negotiation mode.
 * @throws HoldfastError `qmp.unreachable`, `qmp.timeout` (QEMU hangs, or serves another client), `qmp.malformed`.
 */
export async function connectQmp(path: string, options: QmpOptions): Promise<Qmp> {
  const connection = new Connection(path, options);
  try {
    const version = await connection.negotiate();
    return {
      version,
      execute: async (command, argument, answer) => {
        const parsed = answer.safeParse(await connection.ask(command, argument));
        if (parsed.success) return parsed.data;
        throw failure('qmp.malformed', `cannot read QEMU's response to ${command}`, { cause: parsed.error });
      },
      closed: connection.closed,
      close: () => connection.close(),
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Matches responses to commands by number. Pending commands fail when the socket closes. */
class Connection {
  readonly #socket: Socket;
  readonly #options: QmpOptions;
  readonly #timeoutMs: number;
  readonly #splitter = new LineSplitter();
  readonly #waiting = new Map<number, Waiting>();
  readonly #greeting = Promise.withResolvers<string>();
  readonly #closed = Promise.withResolvers<void>();
  #lastId = 0;
  #reason = 'QEMU closed it';

  constructor(path: string, options: QmpOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? bounds.qmpMessage.time;
    this.#greeting.promise.catch(() => {}); // awaited by negotiate(), unless connecting fails first
    this.#socket = connect(path);
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', (error) => {
      this.#reason = describe(error);
    });
    this.#socket.on('close', () => this.#end());
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Returns QEMU's version once it accepts commands. */
  async negotiate(): Promise<string> {
    await once(this.#socket, 'connect').catch((error: unknown) => {
      throw failure('qmp.unreachable', "cannot connect to QEMU's control socket", {
        why: describe(error),
        cause: error,
      });
    });
    const version = await withTimeout(this.#greeting.promise, this.#timeoutMs, 'the greeting');
    await this.ask('qmp_capabilities', {});
    return version;
  }

  ask(command: string, argument: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = ++this.#lastId;
    debug('qemu', `command ${command}`); // without its arguments, which may contain secrets
    const answer = new Promise<unknown>((resolve, reject) => {
      if (this.#socket.destroyed) reject(this.#closedError());
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: argument, id })}\n`);
    });
    return withTimeout(answer, this.#timeoutMs, command).finally(() => this.#waiting.delete(id));
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    try {
      for (const line of this.#splitter.push(chunk)) this.#receive(parseMessage(line));
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #receive(message: QmpMessage): void {
    if (message.kind === 'greeting') this.#greeting.resolve(message.version);
    else if (message.kind === 'event') this.#announce(message);
    else this.#answer(message);
  }

  #announce({ name, data }: QmpEvent): void {
    debug('qemu', `event ${name} ${JSON.stringify(data)}`);
    this.#options.onEvent({ name, data });
  }

  #answer(message: QmpAnswer): void {
    const id = message.id ?? this.#lastId;
    const request = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (message.kind === 'return') request?.resolve(message.value);
    else request?.reject(rejection(message.class, message.reason));
  }

  #end(): void {
    const error = this.#closedError();
    this.#greeting.reject(error);
    for (const request of this.#waiting.values()) request.reject(error);
    this.#waiting.clear();
    this.#closed.resolve();
  }

  #closedError() {
    return failure('qmp.closed', "QEMU's control socket is closed", { why: this.#reason });
  }
}

function rejection(errorClass: string, why: string) {
  return failure('qmp.refused', 'QEMU rejected a command', { why, cause: errorClass });
}

async function withTimeout<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const expired = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const why = `no answer to ${what} within ${timeoutMs} ms: it hangs, or serves another supervisor`;
    const next = 'try again; if that does not help, end the machine with `holdfast stop --force`';
    expired.reject(failure('qmp.timeout', 'QEMU does not respond', { why, next }));
  }, timeoutMs);
  try {
    return await Promise.race([work, expired.promise]);
  } finally {
    clearTimeout(timer);
  }
}
