import type { Duplex } from 'node:stream';
import type { Guest } from './guest.ts';

/** The keys that authenticate both ends: no passwords, no trust on first use. */
export interface Identity {
  readonly user: string;
  /** OpenSSH private key, the only one ever offered. */
  readonly privateKey: string;
  /** The guest's Ed25519 host key as `ssh-ed25519 BASE64`; any other is rejected. */
  readonly hostKey: string;
}

/** One SSH connection to the guest, shared by all that the host does there. */
export interface Session extends Guest {
  /** Resolves when the connection is closed, for any reason. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** Opens a session over a stream to the guest's SSH server. Implemented in `ssh.ts`. */
export type OpenSession = (stream: Duplex, identity: Identity) => Promise<Session>;
