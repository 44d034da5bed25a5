import { setTimeout as sleep } from 'node:timers/promises';
import { describe, failure, type HoldfastError } from '../base/errors.ts';
import type { Session } from '../channel/session.ts';

/**
 * Returns the pause before the next attempt, both in milliseconds. Short while a guest boots, when every pause is noticed;
 * longer once it has been away for minutes.
 */
export function retryDelay(away: number): number {
  if (away < 120_000) return 200;
  return Math.min(away / 100, 5000);
}

export interface ConnectionEvents {
  connected(session: Session): void;
  disconnected(): void;
  /** An attempt failed; called when the reason differs from the one before. */
  failed(reason: string): void;
}

/** The one session to a guest, opened again whenever it ends. */
export interface GuestConnection {
  /** The session, while there is one. */
  session(): Session | undefined;
  /** Ends the session, and opens no other. */
  close(): Promise<void>;
}

/** A session that is opened when it is needed, and again when it has ended. */
export interface OnDemandConnection {
  /** Rejects as `open` does, or when it is closed. */
  session(): Promise<Session>;
  close(): Promise<void>;
}

export function connectOnDemand(open: () => Promise<Session>): OnDemandConnection {
  let opened: Promise<Session> | undefined;
  let isClosed = false;
  const forget = (which: Promise<Session>) => {
    if (opened === which) opened = undefined;
  };
  const begin = () => {
    const opening = open();
    opening.then(
      (session) => session.ended.finally(() => forget(opening)),
      () => forget(opening),
    );
    return opening;
  };
  return {
    async session() {
      if (isClosed) throw notRunning();
      opened ??= begin();
      return opened;
    },
    async close() {
      isClosed = true;
      await opened?.then(
        (session) => session.close(),
        () => {},
      );
    },
  };
}

/** Returns the error for a request to a supervisor whose machine is off. */
export function notRunning(): HoldfastError {
  return failure('supervisor.absent', 'the machine is not running', { next: 'run `holdfast start`' });
}

/** Keeps a session open through reboots of the guest, until closed. */
export function keepConnected(open: () => Promise<Session>, events: ConnectionEvents): GuestConnection {
  const closing = new AbortController();
  let session: Session | undefined;

  const loop = async () => {
    let awaySince = performance.now();
    let lastReason = '';
    while (!closing.signal.aborted) {
      try {
        session = await open();
      } catch (error) {
        const reason = describe(error);
        if (reason !== lastReason) events.failed(reason);
        lastReason = reason;
        await sleep(retryDelay(performance.now() - awaySince), undefined, { signal: closing.signal }).catch(
          () => {}, // aborted: the loop's condition ends it
        );
        continue;
      }
      if (closing.signal.aborted) {
        await session.close();
        return;
      }
      lastReason = '';
      events.connected(session);
      await session.ended;
      session = undefined;
      awaySince = performance.now();
      if (!closing.signal.aborted) events.disconnected();
    }
  };
  void loop();

  return {
    session: () => (closing.signal.aborted ? undefined : session),
    async close() {
      closing.abort();
      await session?.close(); // one that is being opened is closed as soon as it is open
    },
  };
}
