import type { Handle } from '../codec/handles.ts';
import { readBody, requests } from '../codec/requests.ts';
import type { Ask } from '../codec/response.ts';
import { isFull, isSuccess, type Response } from '../codec/response.ts';

/**
 * The sessions that a connection saves while it waits for room in the TPM. A TPM without a resource manager has room for
 * three: two guests with some each would otherwise wait for each other until both time out. The context of a session keeps its
 * handle (TCG TPM 2.0 Library Part 1, section "Session Context Management"), so the guest does not notice.
 */
export class ParkedSessions {
  readonly #contexts = new Map<Handle, Buffer>();

  /** Saves these sessions and removes them from the TPM. One that cannot be saved stays. */
  async park(sessions: readonly Handle[], ask: Ask): Promise<void> {
    for (const session of sessions) {
      if (this.#contexts.has(session)) continue;
      const response = await ask(requests.contextSave(session));
      if (isSuccess(response)) {
        this.#contexts.set(
          session,
          readBody(response, 'the context of a session', (reader) => reader.rest()),
        );
      }
    }
  }

  /**
   * Loads the parked ones of these handles again. One that the TPM rejects is forgotten: the command that needs it then fails
   * as it would have without parking.
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

  /** Forgets a handle that now names another session. */
  forget(handle: Handle): void {
    this.#contexts.delete(handle);
  }
}
