import { type Handle, isSession, isTransient } from '../codec/handles.ts';

/** The limit of Linux' resource manager for each user (drivers/char/tpm, `struct tpm_space`). */
export const mostObjects = 3;
export const mostLoadedSessions = 3;

/** A TPM has 64 or more sessions for all users: TCG PC Client Platform TPM Profile, TPM_PT_ACTIVE_SESSIONS_MAX. */
export const mostSessions = 8;

/** The sessions of one guest. A saved session outlives the connection that started it. */
export class GuestSessions {
  /** When each session was used last, and a number that no other session had, as a TPM uses handles again. */
  readonly #sessions = new Map<Handle, { readonly id: number; readonly usedAt: number }>();
  readonly #saved = new Set<Handle>();
  #lastId = 0;

  get count(): number {
    return this.#sessions.size;
  }

  get isFull(): boolean {
    return this.count >= mostSessions;
  }

  has(handle: Handle): boolean {
    return this.#sessions.has(handle);
  }

  /** Returns the number of a session; undefined when the guest has no such session. */
  idOf(handle: Handle): number | undefined {
    return this.#sessions.get(handle)?.id;
  }

  /** Adds a started session, or one that was loaded again. @param now milliseconds of any clock. */
  add(handle: Handle, now: number): void {
    const id = this.idOf(handle) ?? ++this.#lastId;
    this.#sessions.set(handle, { id, usedAt: now });
    this.#saved.delete(handle);
  }

  remove(handle: Handle): void {
    this.#sessions.delete(handle);
    this.#saved.delete(handle);
  }

  /** Notes that a session was used. */
  use(handle: Handle, now: number): void {
    const id = this.idOf(handle);
    if (id !== undefined) this.#sessions.set(handle, { id, usedAt: now });
  }

  save(handle: Handle, now: number): void {
    this.use(handle, now);
    this.#saved.add(handle);
  }

  /** Returns the sessions that were not used since `time`. */
  unusedSince(time: number): Handle[] {
    return [...this.#sessions].flatMap(([handle, { usedAt }]) => (usedAt < time ? [handle] : []));
  }

  saved(): Handle[] {
    return [...this.#saved];
  }

  all(): Handle[] {
    return [...this.#sessions.keys()];
  }
}

/** The objects and sessions of one connection of a guest. */
export class OwnHandles {
  /** With the number of a session: one that the broker has flushed is no longer the connection's. */
  readonly #loaded = new Map<Handle, number | undefined>();
  readonly #sessions: GuestSessions;

  constructor(sessions: GuestSessions) {
    this.#sessions = sessions;
  }

  /** Returns whether the connection may use this object or session now. */
  isLoaded(handle: Handle): boolean {
    return this.#loaded.has(handle) && this.#loaded.get(handle) === this.#sessions.idOf(handle);
  }

  /** Returns whether the guest may flush it. Saved sessions count too. */
  isOwn(handle: Handle): boolean {
    return this.isLoaded(handle) || this.#sessions.has(handle);
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

  add(handle: Handle, now: number): void {
    if (isSession(handle)) this.#sessions.add(handle, now);
    this.#loaded.set(handle, this.#sessions.idOf(handle));
  }

  /** Notes that sessions were used. */
  use(sessions: readonly Handle[], now: number): void {
    for (const session of sessions) this.#sessions.use(session, now);
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
    return [...this.#loaded.keys()].filter((handle) => this.isLoaded(handle));
  }

  savedSessions(): Handle[] {
    return this.#sessions.saved();
  }
}
