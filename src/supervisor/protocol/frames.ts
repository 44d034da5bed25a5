import { failure, type HoldfastError } from '../../base/errors.ts';
import { type CommandEnd, type GuestSignal, guestSignals, isSignalName } from '../../channel/guest.ts';

/**
 * The protocol of the supervisor's local socket. A connection carries one request. Both sides send frames: type (one byte), length
 * of the payload (four bytes, big-endian), payload. Every `exec` loads this file and the client, so they import nothing that
 * takes time to load.
 */
export const protocolVersion = 2;

export const frameTypes = {
  /** Client, first and once: JSON with `version`, `verb` (the name of the request) and its parameters. */
  request: 1,
  /** Server, last: the reply as JSON. */
  reply: 2,
  /** Server, last: a HoldfastError as JSON. */
  error: 3,
  /** Server: the command is running; the frames below may follow. Empty. */
  started: 4,
  /** Client: bytes of standard input, never more than was granted. */
  input: 5,
  /** Client: end of standard input. Empty. */
  inputEnd: 6,
  /** Client: the name of a signal. */
  signal: 7,
  /** Client: columns and rows, four bytes each. */
  resize: 8,
  /** Server: bytes of standard output. */
  output: 9,
  /** Server: bytes of standard error. */
  errorOutput: 10,
  /** Server: how many more bytes of input may be sent (four bytes). Signals never queue behind unread input. */
  grant: 11,
  /** Server, last: how the command ended. */
  exit: 12,
} as const;

export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

export interface Frame {
  readonly type: FrameType;
  readonly payload: Buffer;
}

/** A request of a client. */
export type Request = { readonly verb: string } & Readonly<Record<string, unknown>>;

export const payloadLimit = 256 * 1024;
/** Bytes of input that may be sent before the first grant. */
export const inputWindow = 256 * 1024;

const headerLength = 5;
const knownTypes: ReadonlySet<number> = new Set(Object.values(frameTypes));
const empty = Buffer.alloc(0);

export function protocolError(why: string): HoldfastError {
  return failure('supervisor.protocol', 'cannot communicate with the supervisor', {
    why,
    next: 'restart the machine if Holdfast was updated while it ran',
  });
}

/** Encodes a frame. @throws HoldfastError `supervisor.protocol` when the payload is too long. */
export function encodeFrame(type: FrameType, payload: Uint8Array = empty): Buffer {
  if (payload.length > payloadLimit) throw protocolError(`cannot send a frame of ${payload.length} bytes`);
  const frame = Buffer.allocUnsafe(headerLength + payload.length);
  frame.writeUInt8(type, 0);
  frame.writeUInt32BE(payload.length, 1);
  frame.set(payload, headerLength);
  return frame;
}

/** Encodes data in as many frames as it takes. */
export function encodeData(type: FrameType, data: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < data.length; at += payloadLimit) {
    frames.push(encodeFrame(type, data.subarray(at, at + payloadLimit)));
  }
  return frames;
}

/** Decodes a stream of bytes into frames. Buffers at most one frame and one piece. */
export class FrameDecoder {
  #pieces: Buffer[] = [];
  #length = 0;

  /** Returns the frames that this piece completes. @throws HoldfastError `supervisor.protocol`. */
  decode(piece: Buffer): Frame[] {
    this.#pieces.push(piece);
    this.#length += piece.length;
    const frames: Frame[] = [];
    for (;;) {
      if (this.#length < headerLength) return frames;
      const header = this.#joined(headerLength);
      const type = header.readUInt8(0);
      const length = header.readUInt32BE(1);
      if (!isFrameType(type)) throw protocolError(`unknown frame type ${type}`);
      if (length > payloadLimit) throw protocolError(`received a frame of ${length} bytes`);
      const end = headerLength + length;
      if (this.#length < end) return frames;
      const bytes = this.#joined(end);
      frames.push({ type, payload: bytes.subarray(headerLength, end) });
      this.#pieces = [bytes.subarray(end)];
      this.#length -= end;
    }
  }

  /** Joins the pieces unless the first has `needed` bytes. */
  #joined(needed: number): Buffer {
    const [first = empty] = this.#pieces;
    if (first.length >= needed) return first;
    const joined = Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }
}

function isFrameType(type: number): type is FrameType {
  return knownTypes.has(type);
}

/** Encodes JSON. @throws HoldfastError `supervisor.long` when it does not fit into one frame. */
export function encodeJson(value: unknown): Buffer {
  const payload = Buffer.from(JSON.stringify(value));
  if (payload.length > payloadLimit) {
    throw failure('supervisor.long', 'a message to or from the supervisor is too long', {
      why: `it has ${payload.length} bytes, the limit is ${payloadLimit}`,
      next: 'pass data on standard input or in a file',
    });
  }
  return payload;
}

/** @throws HoldfastError `supervisor.protocol` when it is not JSON. */
export function decodeJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString());
  } catch (error) {
    throw failure('supervisor.protocol', 'a message on the supervisor’s socket is not JSON', {
      cause: error,
    });
  }
}

export function encodeNumbers(...numbers: readonly number[]): Buffer {
  const payload = Buffer.alloc(4 * numbers.length);
  for (const [index, number] of numbers.entries()) payload.writeUInt32BE(number, 4 * index);
  return payload;
}

/** @throws HoldfastError `supervisor.protocol` unless there is exactly one number. */
export function decodeNumber(payload: Buffer): number {
  if (payload.length !== 4) throw protocolError(`received a number of ${payload.length} bytes`);
  return payload.readUInt32BE(0);
}

/** @throws HoldfastError `supervisor.protocol` unless there are exactly two numbers. */
export function decodeSize(payload: Buffer): { columns: number; rows: number } {
  if (payload.length !== 8) throw protocolError(`received a terminal size of ${payload.length} bytes`);
  return { columns: payload.readUInt32BE(0), rows: payload.readUInt32BE(4) };
}

/** @throws HoldfastError `supervisor.protocol` for what SSH cannot carry. */
export function decodeSignal(payload: Buffer): GuestSignal {
  const name = payload.toString('latin1');
  const signal = guestSignals.find((each) => each === name);
  if (signal === undefined) throw protocolError(`unknown signal ${JSON.stringify(name.slice(0, 20))}`);
  return signal;
}

const endKinds = { code: 0, signal: 1 } as const;

/** Encodes a byte for the kind, then the code (four bytes) or the signal's name. */
export function encodeEnd(end: CommandEnd): Buffer {
  return 'code' in end
    ? Buffer.concat([Buffer.of(endKinds.code), encodeNumbers(end.code)])
    : Buffer.concat([Buffer.of(endKinds.signal), Buffer.from(end.signal, 'latin1')]);
}

/** @throws HoldfastError `supervisor.protocol`. */
export function decodeEnd(payload: Buffer): CommandEnd {
  const kind = payload[0];
  if (kind === endKinds.code) return { code: decodeNumber(payload.subarray(1)) };
  const signal = payload.toString('latin1', 1);
  if (kind === endKinds.signal && isSignalName(signal)) return { signal };
  throw protocolError('received a malformed exit status');
}
