import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { failure } from '../base/errors.ts';
import { type CommandEnd, type GuestCommand, type GuestSignal, isSignalName } from './guest.ts';

/**
 * Four windows: both outputs full, one window on its way, and one to spare. Only a guest that violates the
 * protocol sends more.
 */
const windowsBuffered = 4;

/**
 * Returns a guest's command over an SSH channel. Must be called as soon as the channel opens, before its
 * events.
 * @param onOverflow called when the guest sends more than the channel's window allows.
 */
export function commandOver(channel: ClientChannel, onOverflow: () => void): GuestCommand {
  limitWindow(channel, onOverflow);
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
  ended.catch(() => {}); // callers that await it get the error; awaiting is optional

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
      closed.reject(lost()); // does not wait for the command to end
    },
  };
}

function lost() {
  return failure('channel.lost', 'the connection to the guest was lost', {
    why: 'it closed before the command reported its exit status',
    next: '`holdfast status` shows whether the machine still runs',
  });
}

/**
 * Returns the command's input. ssh2's own stream drops the callbacks of writes that the end of the channel
 * interrupts.
 */
function inputOf(channel: ClientChannel): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      channel.write(chunk, done);
    },
    final(done) {
      channel.end(() => done()); // unread input is no error: the exit code shows the result
    },
  });
}

/** Returns an output of the command. ssh2's own stream closes the whole channel when the reader closes one output. */
function outputOf(source: Readable): Readable {
  const output = new Readable({
    read() {
      source.resume();
    },
    destroy(error, done) {
      source.resume(); // no reader is left: further output is dropped
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
 * Limits the buffered output. Both outputs share one window (RFC 4254 section 5.2). ssh2 reopens it when one
 * has room, however full the other is; here both must have room. ssh2 also accepts more data than the window
 * allows.
 */
function limitWindow(channel: ClientChannel, onOverflow: () => void): void {
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
 * Returns functions that send signals and window sizes. They may follow the end of the input (RFC 4254
 * section 5.3), but ssh2's channel then drops them silently; its protocol does not. They must not follow the
 * close of the channel: sshd would end the whole connection.
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
