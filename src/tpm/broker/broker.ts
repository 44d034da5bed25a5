import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from '../../base/errors.ts';
import type { Handle } from '../codec/handles.ts';
import { errorResponse } from '../codec/response.ts';
import { responseCode } from '../codec/response-codes.ts';
import type { HostTpm } from '../host/host-tpm.ts';
import { CommandStream } from './command-stream.ts';
import { type Answer, flush, type GuestParts, GuestTpm, type TimeLimits } from './connection.ts';
import { GuestSessions, mostSessions } from './ownership.ts';
import { type Rate, RateLimit } from './rate-limit.ts';
import { type SessionShares, unshared } from './session-shares.ts';

/** The limit for open connections. Each run of a tool opens one, and more than a few at once have no use. */
export const mostConnections = 8;

/** After a command of more than this many milliseconds, such as making a key, the guest must pause. */
const busyAfter = 1000;

/** The time limit for room in the TPM, and the pause between attempts, in milliseconds. */
const roomLimit = 5000;
const askForRoomEvery = 20;

/** How often unused sessions are looked for until one is flushed. */
const sweepsInLimit = 10;

/** The time limit when a broker ends while the TPM does not respond, in milliseconds. */
const closeLimit = 5000;

const defaults = {
  /** A tool sends 5 to 50 commands. A TPM executes some hundred quick ones a second, so enough remains for the host. */
  rate: { burst: 200, perSecond: 50 } satisfies Rate,
  limits: { usual: 30_000, slow: 300_000 } satisfies TimeLimits,
  /**
   * The time in milliseconds after which an unused session is flushed, also of a guest that sends nothing more: a TPM that
   * never gets a session back must eventually reject all others (TCG TPM 2.0 Library Part 1, section "Session Context
   * Management").
   */
  unusedLimit: 10 * 60_000,
  /** Log lines about denied commands. */
  logRate: { burst: 20, perSecond: 0.2 } satisfies Rate,
} as const;

export interface BrokerOptions {
  readonly tpm: HostTpm;
  readonly log: (line: string) => void;
  readonly rate?: Rate;
  readonly limits?: TimeLimits;
  readonly unusedLimit?: number;
  /** The bound of the sessions of several machines together; by default none. */
  readonly shares?: SessionShares;
  /** A clock in milliseconds. */
  readonly now?: () => number;
}

/**
 * Passes the allowed commands of one guest to the host's TPM. Each connection gets its responses in order, and one command of
 * all connections is in progress at a time. Several brokers can use one TPM: each command is independent, and the TPM, its
 * resource manager or swtpm executes them one after the other.
 */
export class Broker {
  readonly #parts: GuestParts;
  readonly #rate: RateLimit;
  readonly #streams = new Map<Duplex, Promise<void>>();
  readonly #unusedLimit: number;
  readonly #sweeps: NodeJS.Timeout;
  #isSweeping = false;
  #last: Promise<unknown> = Promise.resolve();
  /** Until then the guest must wait: a guest gets at most half of the TPM's time. */
  #restUntil = 0;

  constructor(options: BrokerOptions) {
    const now = options.now ?? performance.now.bind(performance);
    this.#rate = new RateLimit(options.rate ?? defaults.rate, now);
    this.#parts = {
      tpm: options.tpm,
      sessions: new GuestSessions(),
      shares: options.shares ?? unshared,
      limits: options.limits ?? defaults.limits,
      log: sparing(options.log, new RateLimit(defaults.logRate, now)),
      now,
    };
    this.#unusedLimit = options.unusedLimit ?? defaults.unusedLimit;
    this.#sweeps = setInterval(() => void this.#sweep(), this.#unusedLimit / sweepsInLimit).unref();
  }

  /** Serves a connection of the guest until it ends. */
  accept(stream: Duplex): void {
    stream.on('error', () => {}); // the connection ends, for whatever reason
    if (this.#streams.size >= mostConnections) {
      this.#parts.log(`denied: a connection, as ${mostConnections} are open`);
      stream.destroy();
      return;
    }
    const served = this.#serve(stream).finally(() => this.#streams.delete(stream));
    this.#streams.set(stream, served);
  }

  /** Ends all connections and flushes all objects and sessions of the guest. Does not wait for a TPM that hangs. */
  async close(): Promise<void> {
    clearInterval(this.#sweeps);
    const all = [...this.#streams];
    for (const [stream] of all) stream.destroy();
    const flushed = Promise.all(all.map(([, served]) => served)).then(() =>
      this.#inTurn(() => this.#flushSessions(this.#parts.sessions.all())),
    );
    await Promise.race([flushed, sleep(closeLimit, undefined, { ref: false })]);
  }

  async #serve(stream: Duplex): Promise<void> {
    const guest = new GuestTpm(this.#parts);
    const commands = new CommandStream();
    try {
      for await (const bytes of stream as AsyncIterable<Buffer>) {
        for (const piece of commands.cut(bytes)) {
          if ('lost' in piece) {
            this.#parts.log(`denied: ${piece.lost}`);
            await send(stream, errorResponse(responseCode('commandSize')));
            return; // the start of the next command is unknown
          }
          await this.#wait();
          await send(stream, await this.#answer(guest, piece.message));
        }
      }
    } catch (error) {
      if (!stream.destroyed) this.#parts.log(`connection lost: ${describe(error)}`);
    } finally {
      stream.destroy();
      await this.#inTurn(() => guest.close());
    }
  }

  /**
   * Answers a command. Retries while the TPM is full: another guest can fill a TPM without a resource
   * manager, until its tool ends.
   */
  async #answer(guest: GuestTpm, message: Buffer): Promise<Buffer> {
    const giveUpAt = performance.now() + roomLimit;
    for (;;) {
      const { response, isFull } = await this.#inTurn(() => this.#answerNow(guest, message));
      if (!isFull || performance.now() > giveUpAt) return response;
      await sleep(askForRoomEvery * (0.5 + Math.random())); // random: others wait too
    }
  }

  async #answerNow(guest: GuestTpm, message: Buffer): Promise<Answer> {
    const { now } = this.#parts;
    const began = now();
    const answer = await guest.answer(message);
    await this.#settle(mostSessions, guest.lastingSessions());
    const took = now() - began;
    if (took > busyAfter) this.#restUntil = Math.max(now(), this.#restUntil) + took;
    return answer;
  }

  /** Flushes the sessions that the guest has not used for long, and gives back their room. */
  async #sweep(): Promise<void> {
    if (this.#isSweeping || this.#parts.sessions.count === 0) return;
    this.#isSweeping = true;
    const { sessions, now } = this.#parts;
    await this.#inTurn(() => this.#flushSessions(sessions.unusedSince(now() - this.#unusedLimit)));
    this.#isSweeping = false;
  }

  /** Notes the sessions for other machines: that fails only with the host's disk, and nothing depends on it at once. */
  async #settle(count: number, lasting: readonly Handle[]): Promise<void> {
    try {
      await this.#parts.shares.settle(count, lasting);
    } catch (error) {
      this.#parts.log(`sessions not noted: ${describe(error)}`);
    }
  }

  async #flushSessions(handles: readonly Handle[]): Promise<void> {
    const { tpm, sessions, limits, log } = this.#parts;
    try {
      await flush(tpm, handles, (handle) => sessions.remove(handle), limits.usual);
    } catch (error) {
      log(`not flushed: ${describe(error)}`);
    }
    await this.#settle(sessions.count, sessions.saved());
  }

  /** Waits until the guest may send its next command. */
  async #wait(): Promise<void> {
    for (;;) {
      const rest = this.#restUntil - this.#parts.now();
      const delay = rest > 0 ? rest : this.#rate.take();
      if (delay === 0) return;
      await sleep(delay);
    }
  }

  /** Runs tasks one after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

/** Resolves when the bytes are written, so that a guest that does not read delays only itself. */
function send(stream: Duplex, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed) reject(new Error('the guest has disconnected'));
    else stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** Limits a log that a guest could fill: lines beyond the limit are only counted. */
function sparing(log: (line: string) => void, rate: RateLimit): (line: string) => void {
  let leftOut = 0;
  return (line) => {
    if (rate.take() > 0) {
      leftOut += 1;
      return;
    }
    log(leftOut === 0 ? line : `${line} (and ${leftOut} lines before it that were left out)`);
    leftOut = 0;
  };
}
