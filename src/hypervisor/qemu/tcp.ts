import { connect, type Socket } from 'node:net';
import { failure } from '../../base/errors.ts';

/** The guest drops the fourth new connection of an address within a minute, also the host's: firewall/ssh.rules of the image. */
const connectionsPerMinute = 3;
const minute = 60_000;

/** The time limit for the server's first data. QEMU repeats a lost first packet after 6 s, 12 s and so on. */
const patience = 60_000;

/**
 * The guest's SSH server behind QEMU's port forwarding. QEMU accepts connections even if the guest does not listen, so a
 * stream is returned only after the server's first data (RFC 4253, section 4.2: the server may send first). QEMU continues
 * connections that its client has abandoned, and the guest counts them: so there are few, and each is awaited.
 */
export class ForwardedPort {
  readonly #port: number;
  readonly #now: () => number;
  /** The start times of the last connections. */
  #begun: number[] = [];

  /** @param now a clock in milliseconds. */
  constructor(port: number, now: () => number = performance.now.bind(performance)) {
    this.#port = port;
    this.#now = now;
  }

  /** @throws HoldfastError `channel.refused`; `channel.rate` when the guest would drop another one as an attack. */
  async connect(): Promise<Socket> {
    this.#begun = this.#begun.filter((time) => this.#now() - time < minute);
    if (this.#begun.length >= connectionsPerMinute) {
      throw failure('channel.rate', 'cannot connect to the machine: too many new connections', {
        why: `it accepts ${connectionsPerMinute} new ones a minute`,
        next: 'wait a minute',
      });
    }
    this.#begun.push(this.#now());
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    if (await speaksWithin(socket, patience)) return socket;
    socket.destroy();
    throw failure('channel.refused', 'the SSH server of the machine does not respond', {
      why: `no data from 127.0.0.1:${this.#port}`,
      next: 'wait until the machine has booted; `holdfast status` shows its state',
    });
  }
}

/** Resolves to true when data can be read. Does not read it. */
async function speaksWithin(socket: Socket, timeoutMs: number): Promise<boolean> {
  const answer = Promise.withResolvers<boolean>();
  const fail = () => answer.resolve(false);
  const look = () => answer.resolve(socket.readableLength > 0);
  const timer = setTimeout(fail, timeoutMs);
  socket.on('error', fail); // never removed: an error without a listener would end the process
  socket.on('close', fail);
  socket.on('readable', look);
  try {
    return await answer.promise;
  } finally {
    clearTimeout(timer);
    socket.off('close', fail);
    socket.off('readable', look);
  }
}
