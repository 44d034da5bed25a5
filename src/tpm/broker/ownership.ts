import { type Handle, isSession, isTransient } from '../codec/handles.ts';

/** The limit of Linux' resource manager for each user (drivers/char/tpm, `struct tpm_space`). */
export const mostObjects = 3;
export const mostLoadedSessions = 3;

/** A TPM has 64 or more sessions for all users: TCG PC Client Platform TPM Profile, TPM_PT_ACTIVE_SESSIONS_MAX. */
export const mostSessions = 8;

/** The sessions of one guest. A saved session outlives the connection that started it. */
export class GuestSessions {
  readonly #sessions = new Set<Handle>();
  readonly #savedAt = new Map<Handle, number>();

  get isFull(): boolean {
    return this.#sessions.size >= mostSessions;
  }

  has(handle: Handle): boolean {
    return this.#sessions.has(handle);
  }

  add(handle: Handle): void {
    this.#sessions.add(handle);
    this.#savedAt.delete(handle);
  }

  remove(handle: Handle): void {
    this.#sessions.delete(handle);
    this.#savedAt.delete(handle);
  }

  /** @param now milliseconds of any clock. */
  save(handle: Handle, now: number): void {
    this.#savedAt.set(handle, now);
  }

  /** Returns the sessions that were saved and not loaded since `time`. */
  savedBefore(time: number): Handle[] {
    return [...this.#savedAt].flatMap(([handle, savedAt]) => (savedAt < time ? [handle] : []));
  }

  saved(): Handle[] {
    return [...this.#savedAt.keys()];
  }

  all(): Handle[] {
    return [...this.#sessions];
  }
}

/** The objects and sessions of one connection of a guest. */
export class OwnHandles {
  readonly #loaded = new Set<Handle>();
  readonly #sessions: GuestSessions;

  constructor(sessions: GuestSessions) {
    this.#sessions = sessions;
  }

  /** Returns whether the connection may use this object or session now. */
  isLoaded(handle: Handle): boolean {
    return this.#loaded.has(handle);
  }

  /** Returns whether the guest may flush it. Saved sessions count too. */
  isOwn(handle: Handle): boolean {
    return this.#loaded.has(handle) || this.#sessions.has(handle);
  }

  isOwnSession(handle: Handle): boolean {
    return this.#sessions.has(handle);
  }

  get objectsAreFull(): boolean {
    return this.loaded().filter(isTransient).length >= mostObjects;
  }

  get loadedSessionsAreFull(): boolean {
    return this.loaded().filter(isSession).length >= mostLoadedSessions;
  }

  get sessionsAreFull(): boolean {
    return this.#sessions.isFull;
  }

  add(handle: Handle): void {
    this.#loaded.add(handle);
    if (isSession(handle)) this.#sessions.add(handle);
  }

  remove(handle: Handle): void {
    this.#loaded.delete(handle);
    this.#sessions.remove(handle);
  }

  /** Saving removes a session from the TPM, but not an object: Part 3, TPM2_ContextSave. */
  save(handle: Handle, now: number): void {
    if (!isSession(handle)) return;
    this.#loaded.delete(handle);
    this.#sessions.save(handle, now);
  }

  loaded(): Handle[] {
    return [...this.#loaded];
  }

  savedSessions(): Handle[] {
    return this.#sessions.saved();
  }
}
