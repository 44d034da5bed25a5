import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { failure } from '../base/errors.ts';
import { type CommandEnd, type GuestCommand, type GuestSignal, isSignalName } from './guest.ts';

/** Four windows: both outputs full, one window on its way, and one to spare. Only a guest that cheats sends more. */
const windowsBuffered = 4;

/**
 * A guest's command over an SSH channel. Must be called at once when the channel opens: its events come soon.
 * @param onOverflow called when the guest sends more than the channel's window allows.
 */
export function commandOver(channel: ClientChannel, onOverflow: () => void): GuestCommand {
  holdWindow(channel, onOverflow);
  const requests = requestsOf(channel);
  const stdin = inputOf(channel);
  const stdout = outputOf(channel);
  const stderr = outputOf(channel.stderr);
  const closed = Promise.withResolvers<CommandEnd>();
  // Once both directions are closed: a code, or null and a signal, or nothing if neither came.
  channel.on('close', (code?: number | null, signal?: string) => {
    stdin.destroy();
    if (typeof code === 'number') closed.resolve({ code });
    else if (signal !== undefined) closed.resolve({ signal: isSignalName(signal) ? signal : 'unknown' });
    else closed.reject(lost());
  });
  const ended = Promise.all([closed.promise, once(stdout, 'close'), once(stderr, 'close')]).then(
    ([end]) => end,
  );
  ended.catch(() => {}); // those who wait for it see it; waiting is optional

  return {
    stdin,
    stdout,
    stderr,
    ended,
    signal: requests.signal,
    resize: requests.resize,
    hangUp: () => {
      requests.signal('SIGHUP');
      channel.close(); // no-op when it is closed
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
      closed.reject(lost()); // a command that stays may take its time
    },
  };
}

function lost() {
  return failure('channel.lost', 'the connection to the guest was lost', {
    why: 'it closed before the command reported its exit status',
    next: '`holdfast status` shows whether the machine still runs',
  });
}

/** What the command reads. ssh2's own stream forgets the callbacks of writes that the channel's end cuts off. */
function inputOf(channel: ClientChannel): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      channel.write(chunk, done);
    },
    final(done) {
      channel.end(() => done()); // a command that ended before it had read all is no error: its code tells
    },
  });
}

/** What the command prints. ssh2's own stream closes the whole channel when a reader is done with one output. */
function outputOf(source: Readable): Readable {
  const output = new Readable({
    read() {
      source.resume();
    },
    destroy(error, done) {
      source.resume(); // nobody listens: what still comes is dropped
      done(error);
    },
  });
  source.pause();
  source.on('data', (chunk: Buffer) => {
    if (!output.destroyed && !output.push(chunk)) source.pause();
  });
  source.on('end', () => output.push(null));
  return output;
}

/**
 * Keeps what is buffered bounded. Both outputs share one window (RFC 4254 section 5.2). ssh2 opens it again when one has
 * room, however full the other is; here both must have room. And it believes a guest that sends more than the window.
 */
function holdWindow(channel: ClientChannel, onOverflow: () => void): void {
  const limit = windowsBuffered * channel.readableHighWaterMark;
  for (const [output, other] of [
    [channel, channel.stderr],
    [channel.stderr, channel],
  ] satisfies [Readable, Readable][]) {
    const isOtherFull = () => other.readableLength >= other.readableHighWaterMark;
    const read = output._read.bind(output);
    output._read = (size) => {
      if (!isOtherFull()) read(size);
    };
    const push = output.push.bind(output);
    output.push = (chunk, encoding) => {
      if (chunk !== null && output.readableLength + other.readableLength > limit) {
        onOverflow();
        return false;
      }
      const hasRoom = push(chunk, encoding);
      return hasRoom && !isOtherFull(); // false: ssh2 waits for a read
    };
  }
}

/** The part of ssh2 that `requestsOf` needs and its types leave out. */
interface ChannelInternals {
  readonly outgoing: { readonly id: number; readonly state: string };
  readonly _client: {
    readonly _protocol: {
      signal(channel: number, name: string): void;
      windowChange(channel: number, rows: number, columns: number, height: number, width: number): void;
    };
  };
}

/**
 * Signals and window sizes may follow the end of the input (RFC 4254 section 5.3). ssh2's channel drops them silently
 * then, its protocol does not. After a channel's close they must not be sent: sshd would end the whole connection.
 */
function requestsOf(channel: ClientChannel) {
  const { outgoing, _client: client } = channel as unknown as ChannelInternals;
  const isOpen = () => outgoing.state === 'open' || outgoing.state === 'eof';
  return {
    signal: (name: GuestSignal) => {
      if (isOpen()) client._protocol.signal(outgoing.id, name);
    },
    resize: (columns: number, rows: number) => {
      if (isOpen()) client._protocol.windowChange(outgoing.id, rows, columns, 0, 0);
    },
  };
}
