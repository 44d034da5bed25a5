import type { Readable, Writable } from 'node:stream';

/** A machine's guest: the only interface for commands in it. */
export interface Guest {
  readonly start: StartCommand;
  /**
   * Runs a command to its end, with bounded output.
   * @throws HoldfastError `guest.command` unless its code is accepted, `guest.timeout`, `guest.long`, `channel.lost`; those of
   *   `start`; the signal's reason.
   */
  run(argv: readonly string[], options?: RunOptions): Promise<CommandResult>;
}

/** Returns the same guest, whose commands `signal` aborts when they are run. */
export function abortable(guest: Guest, signal: AbortSignal): Guest {
  return { start: guest.start, run: (argv, options) => guest.run(argv, { ...options, signal }) };
}

export interface Terminal {
  readonly type: string;
  readonly columns: number;
  readonly rows: number;
}

/** The signals that SSH can carry, as Node names them (RFC 4254 section 6.10). */
export const guestSignals = [
  'SIGABRT',
  'SIGALRM',
  'SIGFPE',
  'SIGHUP',
  'SIGILL',
  'SIGINT',
  'SIGKILL',
  'SIGPIPE',
  'SIGQUIT',
  'SIGSEGV',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
] as const;

export type GuestSignal = (typeof guestSignals)[number];

/** How a command ended, as the guest reports it: a code of 32 bits, or any short printable word as the signal. */
export type CommandEnd = { readonly code: number } | { readonly signal: string };

/** Returns whether `text` is valid as the signal of a `CommandEnd`. */
export function isSignalName(text: string): boolean {
  return /^[!-~]{1,64}$/.test(text);
}

/** A command running in the guest. */
export interface GuestCommand {
  /** Destroyed when the command ends: unread data is dropped. */
  readonly stdin: Writable;
  /** A paused reader blocks the command. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the command has ended and both outputs were read; rejects when the connection is lost. */
  readonly ended: Promise<CommandEnd>;
  signal(name: GuestSignal): void;
  resize(columns: number, rows: number): void;
  /** Sends SIGHUP and closes all streams. No-op once the command has ended. */
  hangUp(): void;
}

export type CommandInput = string | Uint8Array;

export interface RunOptions {
  /** Standard input; as a function, computed from what the command prints up to its first NUL byte. */
  readonly input?: CommandInput | ((printed: Buffer) => CommandInput);
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Bytes of standard output that are accepted. Default: `bounds.commandOutput`. */
  readonly maximum?: number;
  /** Keeps the last `maximum` bytes of a longer output instead of failing. */
  readonly endOnly?: boolean;
  /** Exit codes that are no failure. Default: 0 only. */
  readonly accept?: readonly number[];
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Starts `argv` without a shell, or the login shell when it is undefined. */
export type StartCommand = (
  argv: readonly string[] | undefined,
  terminal?: Terminal,
) => Promise<GuestCommand>;
