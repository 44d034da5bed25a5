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
import { Denial, responseCode } from '../codec/response-codes.ts';
import type { HostTpm, TpmConnection } from '../host/host-tpm.ts';
import { type Command, parseCommand } from './command.ts';
import { examine } from './examination.ts';
import { type GuestSessions, OwnHandles } from './ownership.ts';
import { ParkedSessions } from './parked-sessions.ts';
import { decideCommand } from './policy.ts';
import type { SessionShares } from './session-shares.ts';

/** Time limits for the TPM, in milliseconds. A slow TPM takes minutes to make a key (Linux allows five). */
export interface TimeLimits {
  readonly usual: number;
  readonly slow: number;
}

/** The state that all connections of one guest share. */
export interface GuestParts {
  readonly tpm: HostTpm;
  readonly sessions: GuestSessions;
  readonly shares: SessionShares;
  readonly limits: TimeLimits;
  /** Logs a line about a denied command. */
  readonly log: (line: string) => void;
  readonly now: () => number;
}

/** The result of a command. */
export interface Answer {
  /** The TPM's response, or the code of the denial. */
  readonly response: Buffer;
  /** True when the TPM did nothing because it is full. */
  readonly isFull: boolean;
}

/** The host's TPM for one connection of a guest. Commands come one after the other: see `broker.ts`. */
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
      if (command.spec.code === commandCodes.startAuthSession) await this.#reserve();
      for (const handle of decision.examine) await examine(handle, (request) => this.#ask(request));
      const response = (await this.#restore(command)) ?? (await this.#pass(command));
      if (isFull(response)) await this.#makeRoom();
      return { response: response.bytes, isFull: isFull(response) };
    } catch (error) {
      if (error instanceof Denial) {
        this.#parts.log(`denied: ${error.message}`);
        return { response: errorResponse(error.code), isFull: false };
      }
      this.#parts.log(`failed: ${describe(error)}`);
      return { response: errorResponse(responseCode('failure')), isFull: false };
    }
  }

  /** Flushes what the connection made. Saved sessions stay: they belong to the guest. */
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

  /** Returns the sessions of the guest that stay in the TPM when this process dies. */
  lastingSessions(): Handle[] {
    const { sessions } = this.#parts;
    return this.#connection?.isIsolated ? sessions.saved() : sessions.all();
  }

  /** @throws Denial when the machines of this home have too many sessions. */
  async #reserve(): Promise<void> {
    const { sessions, shares } = this.#parts;
    if (await shares.reserve(sessions.count + 1)) return;
    throw new Denial(responseCode('sessionHandles'), 'the machines of this host have too many sessions');
  }

  /** @returns the TPM's response when it has no room for what the command needs. */
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

  /**
   * Parks the guest's sessions: a command that waits for room must not occupy any. A resource manager does
   * this itself.
   */
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

  /** Abandons a failed connection and what belonged to it alone. */
  async #drop(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection?.isIsolated) for (const handle of this.#own.loaded()) this.#own.remove(handle);
    await connection?.close();
  }

  /** Records what the guest owns. */
  #note({ spec, handles, authorizations, parameters }: Command, response: Response): void {
    this.#own.use([...handles, ...authorizations.map(({ session }) => session)], this.#parts.now());
    if (!isSuccess(response)) return;
    const [first] = handles;
    if (spec.returnsHandle) {
      const handle = returnedHandle(response);
      this.#own.add(handle, this.#parts.now());
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
 * Removes objects and sessions from the TPM. One that does not exist is no error.
 * @param flushed is called with each that is removed.
 * @throws HoldfastError when the TPM does not respond.
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
