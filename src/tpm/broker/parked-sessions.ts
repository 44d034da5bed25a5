import type { Handle } from '../codec/handles.ts';
import { readBody, requests } from '../codec/requests.ts';
import type { Ask } from '../codec/response.ts';
import { isFull, isSuccess, type Response } from '../codec/response.ts';

/**
 * The sessions that a connection gave up while it waits for room in the TPM. A TPM without a resource manager has room for
 * three: two guests with some each would otherwise wait for each other's until both give up. A session keeps its handle in
 * its context (TCG TPM 2.0 Library Part 1, section "Session Context Management"), so that the guest notices nothing.
 */
export class ParkedSessions {
  readonly #contexts = new Map<Handle, Buffer>();

  /** Takes these sessions out of the TPM. One that cannot be saved stays in it. */
  async park(sessions: readonly Handle[], ask: Ask): Promise<void> {
    for (const session of sessions) {
      if (this.#contexts.has(session)) continue;
      const response = await ask(requests.contextSave(session));
      if (isSuccess(response)) {
        this.#contexts.set(
          session,
          readBody(response, 'a context', (reader) => reader.rest()),
        );
      }
    }
  }

  /**
   * Puts those of these handles back that are parked. What the TPM no longer takes is forgotten: the command that needs it
   * then fails as it would have without parking.
   * @returns the TPM's response when it is too full.
   */
  async restore(handles: readonly Handle[], ask: Ask): Promise<Response | undefined> {
    for (const handle of handles) {
      const context = this.#contexts.get(handle);
      if (context === undefined) continue;
      const response = await ask(requests.contextLoad(context));
      if (isFull(response)) return response;
      this.#contexts.delete(handle);
    }
    return undefined;
  }

  /** The handle is now another session's. */
  forget(handle: Handle): void {
    this.#contexts.delete(handle);
  }
}
