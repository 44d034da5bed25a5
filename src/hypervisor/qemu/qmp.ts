import { once } from 'node:events';
import { connect } from 'node:net';
import type { z } from 'zod';
import { describe, failure } from '../../base/errors.ts';
import { debug } from '../../base/log.ts';
import { LineSplitter, parseMessage, type QmpMessage } from './qmp-message.ts';

export interface QmpEvent {
  readonly name: string;
  readonly data: unknown;
}

/** The control channel of one QEMU. QEMU serves one client at a time. */
export interface Qmp {
  /** Of QEMU, such as `7.2.22`. */
  readonly version: string;
  /**
   * Runs a command and checks its answer.
   * @throws HoldfastError `qmp.refused` (QEMU's error), `qmp.malformed`, `qmp.timeout`, `qmp.closed`.
   */
  execute<T>(command: string, argument: Readonly<Record<string, unknown>>, answer: z.ZodType<T>): Promise<T>;
  /** Resolves when the socket is gone, whatever the reason. */
  readonly closed: Promise<void>;
  close(): void;
}

export interface QmpOptions {
  onEvent(event: QmpEvent): void;
  /** For each answer, and for the greeting. Default 10 s. */
  readonly timeoutMs?: number;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * Connects to QEMU and leaves the negotiation mode.
 * @throws HoldfastError `qmp.unreachable`, `qmp.timeout` (QEMU hangs, or serves somebody else), `qmp.malformed`.
 */
export async function connectQmp(path: string, options: QmpOptions): Promise<Qmp> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const socket = connect(path);
  const splitter = new LineSplitter();
  const waiting = new Map<number, Waiting>();
  const greeting = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<void>();
  let lastId = 0;

  const receive = (message: QmpMessage) => {
    if (message.kind === 'greeting') return greeting.resolve(message.version);
    if (message.kind === 'event') {
      debug('qemu', `event ${message.name} ${JSON.stringify(message.data)}`);
      return options.onEvent(message);
    }
    const id = message.id ?? lastId;
    const request = waiting.get(id);
    waiting.delete(id);
    if (message.kind === 'return') request?.resolve(message.value);
    else request?.reject(refusal(message.class, message.reason));
  };
  socket.on('data', (chunk) => {
    try {
      for (const line of splitter.push(chunk)) receive(parseMessage(line));
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  let reason = 'QEMU closed it';
  socket.on('error', (error) => {
    reason = describe(error);
  });
  socket.on('close', () => {
    const error = failure('qmp.closed', "QEMU's control socket is closed", { why: reason });
    greeting.reject(error);
    for (const request of waiting.values()) request.reject(error);
    waiting.clear();
    closed.resolve();
  });
  greeting.promise.catch(() => {}); // awaited below, unless connecting fails first

  const ask = (command: string, argument: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const id = ++lastId;
    debug('qemu', `command ${command}`); // without its arguments: they may hold secrets
    const answer = new Promise<unknown>((resolve, reject) => {
      if (socket.destroyed) reject(failure('qmp.closed', "QEMU's control socket is closed", { why: reason }));
      waiting.set(id, { resolve, reject });
      socket.write(`${JSON.stringify({ execute: command, arguments: argument, id })}\n`);
    });
    return withTimeout(answer, timeoutMs, command).finally(() => waiting.delete(id));
  };

  try {
    await once(socket, 'connect').catch((error: unknown) => {
      throw failure('qmp.unreachable', "QEMU's control socket cannot be reached", {
        why: describe(error),
        cause: error,
      });
    });
    const version = await withTimeout(greeting.promise, timeoutMs, 'the greeting');
    await ask('qmp_capabilities', {});
    return {
      version,
      execute: async (command, argument, answer) => {
        const parsed = answer.safeParse(await ask(command, argument));
        if (parsed.success) return parsed.data;
        throw failure('qmp.malformed', `QEMU answered ${command} in an unknown way`, { cause: parsed.error });
      },
      closed: closed.promise,
      close: () => socket.destroy(),
    };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function refusal(errorClass: string, why: string) {
  return failure('qmp.refused', 'QEMU refused a command', { why, cause: errorClass });
}

async function withTimeout<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const expired = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const why = `no answer to ${what} within ${timeoutMs} ms: it hangs, or serves another supervisor`;
    const next = 'try again; if that does not help, end the machine with `holdfast stop --force`';
    expired.reject(failure('qmp.timeout', 'QEMU does not answer', { why, next }));
  }, timeoutMs);
  try {
    return await Promise.race([work, expired.promise]);
  } finally {
    clearTimeout(timer);
  }
}
