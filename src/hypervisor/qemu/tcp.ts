import { connect, type Socket } from 'node:net';
import { failure } from '../../base/errors.ts';

/**
 * Connects to the guest's SSH server through QEMU's port forwarding. QEMU accepts connections whether or not the guest
 * listens, so the stream is handed over when the server has spoken: RFC 4253, section 4.2, lets it speak first.
 * @throws HoldfastError `channel.refused`.
 */
export async function connectForwarded(port: number, timeoutMs = 20_000): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const answered = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => answered.resolve(false), timeoutMs);
  socket.on('error', () => answered.resolve(false));
  socket.once('close', () => answered.resolve(false));
  socket.once('readable', () => answered.resolve(socket.readableLength > 0));
  try {
    if (await answered.promise) return socket;
    socket.destroy();
    throw failure('channel.refused', 'the SSH server of the machine does not answer', {
      why: `nothing came from 127.0.0.1:${port}`,
      next: 'wait until the machine has booted; `holdfast status` shows its state',
    });
  } finally {
    clearTimeout(timer);
    socket.removeAllListeners('readable');
  }
}
