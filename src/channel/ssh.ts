import { timingSafeEqual } from 'node:crypto';
import type { Duplex } from 'node:stream';
import ssh2, { Client, type ClientCallback, type ConnectConfig } from 'ssh2';
import { describe, failure, type HoldfastError, misuse } from '../base/errors.ts';
import { debug } from '../base/log.ts';
import { quoteWord } from '../base/shell-quote.ts';
import { commandOver } from './command.ts';
import type { GuestCommand, StartCommand, Terminal } from './guest.ts';
import { damagedKey, parsePublicKey } from './keys.ts';
import { runToEnd } from './run.ts';
import type { Identity, OpenSession, Session } from './session.ts';

/** A handshake takes under a second in an emulated guest, many times that on a busy host. */
const handshakeMs = 30_000;
const keepaliveMs = 20_000;
const keepalivesMissed = 3;
/** Time limit for the guest to close its end. */
const closeMs = 5_000;
/**
 * Linux's limit for one word (MAX_ARG_STRLEN); the guest's shell receives the command as one word.
 */
const commandLimit = 128 * 1024 - 1;

/**
 * One choice each, as Holdfast configures both ends. Processor time of sshd in an emulated guest
 * for a download of 40 MB, without the handshake: AES-GCM 1.5 s and ChaCha20-Poly1305 1.0 s under
 * QEMU 7.2, but 0.6 s and 1.1 s under QEMU 10, which uses the host's AES instructions. Single
 * keystrokes compare alike. On a real processor, and on the host, AES-GCM is faster.
 */
const algorithms = {
  kex: ['curve25519-sha256'],
  serverHostKey: ['ssh-ed25519'],
  cipher: ['aes128-gcm@openssh.com'],
  hmac: ['hmac-sha2-256-etm@openssh.com'], // must be named; not used with AES-GCM (RFC 5647 section 5.1)
  compress: ['none'],
} satisfies ConnectConfig['algorithms'];

/**
 * Opens a session. Offers exactly one key and accepts exactly one host key. Takes ownership of the
 * stream, also on failure.
 * @throws HoldfastError `channel.host-key`, `channel.identity`, `channel.timeout`,
 *   `channel.handshake`, `channel.key`.
 */
export const openSession: OpenSession = async (stream, identity) => {
  const client = new Client();
  const ended = new Promise<void>((resolve) => client.once('close', resolve));
  client.on('error', (error) => debug('channel', describe(error)));
  try {
    await handshake(client, stream, identity);
  } catch (error) {
    client.end();
    stream.destroy();
    throw error;
  }
  debug('channel', `connected as ${identity.user}`);
  void ended.then(() => debug('channel', 'connection ended'));
  return sessionOver(client, stream, ended);
};

async function handshake(client: Client, stream: Duplex, identity: Identity): Promise<void> {
  const pinned = parsePublicKey(identity.hostKey);
  if (ssh2.utils.parseKey(identity.privateKey) instanceof Error) {
    throw damagedKey('the private key of this host', 'it is not a private key in OpenSSH’s format');
  }
  let isOtherHost = false;
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve);
    client.once('error', (error) => reject(isOtherHost ? otherHost() : handshakeError(error)));
    client.once('close', () => reject(handshakeError(new Error('the guest closed the connection'))));
    client.connect({
      sock: stream,
      username: identity.user,
      privateKey: identity.privateKey,
      authHandler: ['publickey'],
      hostVerifier: (key: Buffer) => {
        isOtherHost = key.length !== pinned.length || !timingSafeEqual(key, pinned);
        return !isOtherHost;
      },
      algorithms,
      readyTimeout: handshakeMs,
      keepaliveInterval: keepaliveMs,
      keepaliveCountMax: keepalivesMissed,
    });
  });
}

function otherHost(): HoldfastError {
  return failure('channel.host-key', 'cannot trust the SSH server: it has another host key', {
    why: 'its host key differs from the one that was created at deployment',
    next: 'do not trust it; stop the machine and find out what responds in its place',
  });
}

function handshakeError(error: Error & { level?: string }): HoldfastError {
  const parts = { why: describe(error), cause: error };
  if (error.level === 'client-authentication') {
    return failure('channel.identity', 'the guest does not accept the key of this host', {
      ...parts,
      next: 'check the messages of sshd in the guest’s journal: `holdfast logs`',
    });
  }
  if (error.level === 'client-timeout') {
    return failure('channel.timeout', 'the guest did not finish the SSH handshake', {
      ...parts,
      next: 'wait until the machine has booted and try again',
    });
  }
  return failure('channel.handshake', 'the SSH handshake with the guest failed', {
    ...parts,
    next: 'wait until the machine has booted and try again; `holdfast logs` shows the guest’s messages',
  });
}

function sessionOver(client: Client, stream: Duplex, ended: Promise<void>): Session {
  // ssh2 forgets the callbacks of commands that were to start when the connection is lost
  const starting = new Set<(error: Error) => void>();
  void ended.then(() => {
    for (const fail of starting) fail(new Error('the connection was lost'));
  });
  const start: StartCommand = (argv, terminal) =>
    new Promise<GuestCommand>((resolve, reject) => {
      const line = argv && commandLine(argv);
      const pty = terminal && terminalRequest(terminal);
      const fail = (error: unknown) => reject(startError(error));
      const begin: ClientCallback = (error, channel) => {
        starting.delete(fail);
        if (error) fail(error);
        else resolve(commandOver(channel, dropGuest));
      };
      starting.add(fail);
      try {
        if (line === undefined) client.shell(pty ?? false, begin);
        else client.exec(line, pty ? { pty } : {}, begin);
      } catch (error) {
        starting.delete(fail);
        fail(error);
      }
    });
  const dropGuest = () => {
    debug('channel', 'the guest sends more than the window allows: connection closed');
    stream.destroy();
  };
  return {
    start,
    run: (argv, options) => runToEnd(start, argv, options),
    ended,
    close: async () => {
      client.end();
      const timer = setTimeout(() => stream.destroy(), closeMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

/**
 * Quotes a command for sshd, which passes it to the login shell. `exec` keeps the shell from
 * interpreting keywords and assignments.
 */
function commandLine(argv: readonly string[]): string {
  if (argv.length === 0 || argv.some((word) => word.includes('\0'))) {
    throw misuse('guest.command-malformed', 'invalid command', {
      why: 'a command has at least one word, and no word contains a NUL',
    });
  }
  const line = `exec ${argv.map(quoteWord).join(' ')}`;
  if (Buffer.byteLength(line) > commandLimit) {
    throw misuse('guest.command-long', 'the command is too long', {
      why: `Linux accepts at most ${commandLimit} bytes, including quotes`,
      next: 'pass the data on standard input, or copy a file into the guest',
    });
  }
  return line;
}

function terminalRequest(terminal: Terminal) {
  return { term: terminal.type, cols: terminal.columns, rows: terminal.rows, width: 0, height: 0 };
}

function startError(error: unknown): HoldfastError {
  return failure('channel.start', 'cannot start the command in the guest', {
    why: describe(error),
    next: '`holdfast status` shows whether the machine still runs',
    cause: error,
  });
}
