import { describe } from '../../base/errors.ts';
import { commandCodes } from '../codec/command-codes.ts';
import { type Handle, isSession } from '../codec/handles.ts';
import { requests } from '../codec/requests.ts';
import {
  errorResponse,
  isFull,
  isSuccess,
  parseResponse,
  type Response,
  returnedHandle,
} from '../codec/response.ts';
import { Refusal, responseCode } from '../codec/response-codes.ts';
import type { HostTpm, TpmConnection } from '../host/host-tpm.ts';
import { type Command, parseCommand } from './command.ts';
import { examine } from './examination.ts';
import { type GuestSessions, OwnHandles } from './ownership.ts';
import { ParkedSessions } from './parked-sessions.ts';
import { decideCommand } from './policy.ts';

/** How long the TPM may take: milliseconds. Making a key may take a slow TPM minutes (Linux gives it five). */
export interface TimeLimits {
  readonly usual: number;
  readonly slow: number;
}

/** What all connections of one guest share. */
export interface GuestParts {
  readonly tpm: HostTpm;
  readonly sessions: GuestSessions;
  readonly limits: TimeLimits;
  /** Takes a line for the log about what did not pass. */
  readonly log: (line: string) => void;
  readonly now: () => number;
}

/** What a guest gets for a command. */
export interface Answer {
  /** The TPM's response, or the code that says why the command was not passed on. */
  readonly response: Buffer;
  /** True when the TPM did nothing because others fill it up at the moment. */
  readonly isFull: boolean;
}

/** The host's TPM as one connection of a guest sees it. Commands come one after the other: see `broker.ts`. */
export class GuestTpm {
  readonly #parts: GuestParts;
  readonly #own: OwnHandles;
  readonly #parked = new ParkedSessions();
  #connection: TpmConnection | undefined;

  constructor(parts: GuestParts) {
    this.#parts = parts;
    this.#own = new OwnHandles(parts.sessions);
  }

  /** Never throws. */
  async answer(bytes: Buffer): Promise<Answer> {
    try {
      const command = parseCommand(bytes);
      const decision = decideCommand(command, this.#own);
      if ('answer' in decision) return { response: decision.answer, isFull: false };
      for (const handle of decision.examine) await examine(handle, (request) => this.#ask(request));
      const response = (await this.#restore(command)) ?? (await this.#pass(command));
      if (isFull(response)) await this.#makeRoom();
      return { response: response.bytes, isFull: isFull(response) };
    } catch (error) {
      if (error instanceof Refusal) {
        this.#parts.log(`refused: ${error.message}`);
        return { response: errorResponse(error.code), isFull: false };
      }
      this.#parts.log(`failed: ${describe(error)}`);
      return { response: errorResponse(responseCode('failure')), isFull: false };
    }
  }

  /** Forgets what the connection made. Sessions that were saved stay: they are the guest's. */
  async close(): Promise<void> {
    const left = this.#own.loaded();
    const connection = this.#connection;
    this.#connection = undefined;
    try {
      if (connection?.isIsolated) for (const handle of left) this.#own.remove(handle);
      else await flush(this.#parts.tpm, left, (handle) => this.#own.remove(handle), this.#parts.limits.usual);
    } catch (error) {
      this.#parts.log(`not flushed: ${describe(error)}`);
    } finally {
      await connection?.close();
    }
  }

  /** @returns the TPM's response when it is too full for what the command needs. */
  #restore({ handles, authorizations }: Command): Promise<Response | undefined> {
    const needed = [...handles, ...authorizations.map(({ session }) => session)];
    return this.#parked.restore(needed, (request) => this.#ask(request));
  }

  async #pass(command: Command): Promise<Response> {
    const { usual, slow } = this.#parts.limits;
    const response = await this.#ask(command.bytes, command.spec.slow ? slow : usual);
    this.#note(command, response);
    return response;
  }

  /** Who waits for room holds none: a resource manager sees to that itself. */
  async #makeRoom(): Promise<void> {
    if (this.#connection?.isIsolated) return;
    await this.#parked.park(this.#own.loaded().filter(isSession), (request) => this.#ask(request));
  }

  async #ask(request: Buffer, timeoutMs = this.#parts.limits.usual): Promise<Response> {
    try {
      this.#connection ??= await this.#parts.tpm.open();
      return parseResponse(await this.#connection.transmit(request, timeoutMs));
    } catch (error) {
      await this.#drop();
      throw error;
    }
  }

  /** A connection that failed is given up, and with it what only it had. */
  async #drop(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection?.isIsolated) for (const handle of this.#own.loaded()) this.#own.remove(handle);
    await connection?.close();
  }

  /** Keeps account of what the guest owns. */
  #note({ spec, handles, authorizations, parameters }: Command, response: Response): void {
    if (!isSuccess(response)) return;
    const [first] = handles;
    if (spec.returnsHandle) {
      const handle = returnedHandle(response);
      this.#own.add(handle);
      this.#parked.forget(handle);
    }
    if (spec.code === commandCodes.flushContext) this.#own.remove(parameters.readUInt32BE() as Handle);
    if (spec.code === commandCodes.contextSave && first !== undefined)
      this.#own.save(first, this.#parts.now());
    const consumed = spec.consumes === undefined ? undefined : handles[spec.consumes];
    if (consumed !== undefined) this.#own.remove(consumed);
    for (const { session, continues } of authorizations) if (!continues) this.#own.remove(session);
  }
}

/**
 * Removes objects and sessions from the TPM. One that is no longer there is what was wanted.
 * @param flushed is told each that is gone.
 * @throws HoldfastError when the TPM does not answer.
 */
export async function flush(
  tpm: HostTpm,
  handles: readonly Handle[],
  flushed: (handle: Handle) => void,
  timeoutMs: number,
): Promise<void> {
  if (handles.length === 0) return;
  const connection = await tpm.open();
  try {
    for (const handle of handles) {
      await connection.transmit(requests.flush(handle), timeoutMs);
      flushed(handle);
    }
  } finally {
    await connection.close();
  }
}
