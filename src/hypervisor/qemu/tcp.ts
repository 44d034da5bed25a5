import { connect, type Socket } from 'node:net';
import { failure } from '../../base/errors.ts';

/** The guest drops an address's fourth new connection within a minute, ours too: firewall/ssh.rules of the image. */
const connectionsPerMinute = 3;
const minute = 60_000;

/** How long the guest may take to answer. QEMU repeats the first packet, should it be lost, after 6 s, 12 s and so on. */
const patience = 60_000;

/**
 * The guest's SSH server behind QEMU's port forwarding. QEMU accepts connections whether or not the guest listens, so a
 * stream is handed over when the server has spoken: RFC 4253, section 4.2, lets it speak first. QEMU goes on with
 * connections that its client has given up, and the guest counts them: so they are few, and each is waited for.
 */
export class ForwardedPort {
  readonly #port: number;
  readonly #now: () => number;
  /** When the last few connections were begun. */
  #begun: number[] = [];

  /** @param now a clock in milliseconds. */
  constructor(port: number, now: () => number = performance.now.bind(performance)) {
    this.#port = port;
    this.#now = now;
  }

  /** @throws HoldfastError `channel.refused`; `channel.rate` when the guest would take one more for an attack. */
  async connect(): Promise<Socket> {
    this.#begun = this.#begun.filter((time) => this.#now() - time < minute);
    if (this.#begun.length >= connectionsPerMinute) {
      throw failure('channel.rate', 'the machine takes no more connections at the moment', {
        why: `it takes ${connectionsPerMinute} new ones a minute`,
        next: 'wait a minute',
      });
    }
    this.#begun.push(this.#now());
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    if (await speaksWithin(socket, patience)) return socket;
    socket.destroy();
    throw failure('channel.refused', 'the SSH server of the machine does not answer', {
      why: `nothing came from 127.0.0.1:${this.#port}`,
      next: 'wait until the machine has booted; `holdfast status` shows its state',
    });
  }
}

/** Resolves true when data can be read, which it leaves in the socket. */
async function speaksWithin(socket: Socket, timeoutMs: number): Promise<boolean> {
  const answer = Promise.withResolvers<boolean>();
  const refuse = () => answer.resolve(false);
  const look = () => answer.resolve(socket.readableLength > 0);
  const timer = setTimeout(refuse, timeoutMs);
  socket.on('error', refuse); // stays: an error without a listener would end the process
  socket.on('close', refuse);
  socket.on('readable', look);
  try {
    return await answer.promise;
  } finally {
    clearTimeout(timer);
    socket.off('close', refuse);
    socket.off('readable', look);
  }
}
