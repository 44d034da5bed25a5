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

/** How a command in the guest ended. */
export type CommandEnd = { readonly code: number } | { readonly signal: string };

/** A command running in the guest. */
export interface GuestCommand {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly ended: Promise<CommandEnd>;
  signal(name: string): void;
  resize(columns: number, rows: number): void;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** One SSH connection to the guest, shared by all that the host does there. */
export interface Session {
  /** Starts argv (each word is quoted; no shell reads it) or, with undefined, the login shell. */
  start(argv: readonly string[] | undefined, terminal?: Terminal): Promise<GuestCommand>;
  /** Runs a command to its end with bounded output. Rejects with `guest.command` unless the code is accepted (0). */
  run(
    argv: readonly string[],
    options?: { input?: string | Uint8Array; timeoutMs?: number; accept?: readonly number[] },
  ): Promise<CommandResult>;
  /** Resolves when the connection is gone, whatever the reason. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** Opens a session over a stream to the guest's SSH server. Implemented in `ssh.ts`. */
export type OpenSession = (stream: Duplex, identity: Identity) => Promise<Session>;
