import type { Duplex, Readable, Writable } from 'node:stream';

/** How one end knows the other: no passwords, no trust on first use. */
export interface Identity {
  readonly user: string;
  /** OpenSSH private key, the only one ever offered. */
  readonly privateKey: string;
  /** The guest's Ed25519 host key as `ssh-ed25519 BASE64`; any other is refused. */
  readonly hostKey: string;
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

/** How a command in the guest ended. The guest tells: the code has 32 bits, the signal is any short printable word. */
export type CommandEnd = { readonly code: number } | { readonly signal: string };

/** True for what may stand as a signal in a `CommandEnd`. */
export function isSignalName(text: string): boolean {
  return /^[!-~]{1,64}$/.test(text);
}

/** A command running in the guest. */
export interface GuestCommand {
  /** Destroyed when the command ends: what it did not read is dropped. */
  readonly stdin: Writable;
  /** Flows only while it is read: a reader that pauses makes the command wait. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles once the command has ended and both outputs were read to their ends; rejects when the guest was lost. */
  readonly ended: Promise<CommandEnd>;
  signal(name: GuestSignal): void;
  resize(columns: number, rows: number): void;
  /** Leaves: SIGHUP for the command, and its input and outputs are closed. No-op once it has ended. */
  hangUp(): void;
}

export type CommandInput = string | Uint8Array;

export interface RunOptions {
  /** Given at once or, when it is made from what the command prints first, as soon as that has ended with a NUL byte. */
  readonly input?: CommandInput | ((printed: Buffer) => CommandInput);
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Exit codes that are an answer, not a failure. Default: 0 only. */
  readonly accept?: readonly number[];
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Starts argv (each word is quoted; no shell reads it) or, with undefined, the login shell. */
export type StartCommand = (
  argv: readonly string[] | undefined,
  terminal?: Terminal,
) => Promise<GuestCommand>;

/** One SSH connection to the guest, shared by all that the host does there. */
export interface Session {
  readonly start: StartCommand;
  /** Runs a command to its end with bounded output. Rejects with `guest.command` unless the code is accepted (0). */
  run(argv: readonly string[], options?: RunOptions): Promise<CommandResult>;
  /** Resolves when the connection is gone, whatever the reason. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** Opens a session over a stream to the guest's SSH server. Implemented in `ssh.ts`. */
export type OpenSession = (stream: Duplex, identity: Identity) => Promise<Session>;
