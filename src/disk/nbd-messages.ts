import { failure, type HoldfastError } from '../base/errors.ts';

/*
 * The NBD messages that a client of one export needs (NetworkBlockDevice/nbd, doc/proto.md): fixed
 * newstyle negotiation with NBD_OPT_GO, then reads, writes and flushes with simple replies. All
 * numbers are big-endian.
 */

const greetingMagic = 0x4e42444d41474943n; // NBDMAGIC
const optionMagic = 0x49484156454f5054n; // IHAVEOPT
const optionReplyMagic = 0x0003e889045565a9n;
const requestMagic = 0x25609513;
const simpleReplyMagic = 0x67446698;

const fixedNewstyle = 1;
const noZeroes = 2;
const optionGo = 7;

/** The server's limit for the data of one request. */
export const requestLimit = 32 * 1024 * 1024;

/** Limit for the reply to an option, which has a few numbers or an error message. */
const optionReplyLimit = 4096;

export const greetingLength = 18;
export const optionReplyHeaderLength = 20;
export const simpleReplyLength = 16;

const nbdCommands = { read: 0, write: 1, disconnect: 2, flush: 3 } as const;
export type NbdCommand = keyof typeof nbdCommands;

export function nbdError(why: string): HoldfastError {
  return failure('disk.device', 'cannot access the disk', {
    why,
    next: 'check `holdfast status` and repeat the command; it is safe to repeat',
  });
}

/**
 * @throws HoldfastError `disk.device` unless the server supports the fixed newstyle negotiation.
 */
export function checkGreeting(bytes: Buffer): void {
  if (bytes.readBigUInt64BE(0) !== greetingMagic || bytes.readBigUInt64BE(8) !== optionMagic)
    throw nbdError('the server does not use the NBD protocol');
  if ((bytes.readUInt16BE(16) & fixedNewstyle) === 0)
    throw nbdError('the server does not support the fixed newstyle negotiation');
}

/** Encodes the client's flags and NBD_OPT_GO for the export. */
export function encodeGo(exportName: string): Buffer {
  const name = Buffer.from(exportName);
  const bytes = Buffer.alloc(4 + 16 + 4 + name.length + 2);
  bytes.writeUInt32BE(fixedNewstyle | noZeroes, 0);
  bytes.writeBigUInt64BE(optionMagic, 4);
  bytes.writeUInt32BE(optionGo, 12);
  bytes.writeUInt32BE(4 + name.length + 2, 16);
  bytes.writeUInt32BE(name.length, 20);
  name.copy(bytes, 24); // no information requests follow: the server sends the size in any case
  return bytes;
}

export type OptionReplyKind = 'ack' | 'info' | 'error';

/**
 * @throws HoldfastError `disk.device` for a reply to another option, of unknown type, or above the
 *   limit.
 */
export function decodeOptionReplyHeader(bytes: Buffer): { kind: OptionReplyKind; length: number } {
  const [option, type, length] = [bytes.readUInt32BE(8), bytes.readUInt32BE(12), bytes.readUInt32BE(16)];
  if (bytes.readBigUInt64BE(0) !== optionReplyMagic || option !== optionGo)
    throw nbdError('the server sent an unexpected reply');
  if (length > optionReplyLimit)
    throw nbdError(`the server's reply has ${length} bytes, the limit is ${optionReplyLimit}`);
  if (type >= 2 ** 31) return { kind: 'error', length };
  if (type === 1) return { kind: 'ack', length };
  if (type === 3) return { kind: 'info', length };
  throw nbdError(`the server sent a reply of unknown type ${type}`);
}

/** Decodes the size of the export from NBD_INFO_EXPORT; undefined for other information. */
export function decodeExportSize(bytes: Buffer): number | undefined {
  if (bytes.length < 2 || bytes.readUInt16BE(0) !== 0) return undefined;
  if (bytes.length !== 12) throw nbdError("the server's description of the disk is malformed");
  const size = Number(bytes.readBigUInt64BE(2));
  if (!Number.isSafeInteger(size)) throw nbdError('the size of the disk is out of range');
  return size;
}

export interface NbdRequest {
  readonly command: NbdCommand;
  readonly cookie: bigint;
  readonly offset: number;
  readonly length: number;
}

/** Encodes the header of a request; the data of a write follows it. */
export function encodeRequest({ command, cookie, offset, length }: NbdRequest): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt32BE(requestMagic, 0);
  bytes.writeUInt16BE(nbdCommands[command], 6);
  bytes.writeBigUInt64BE(cookie, 8);
  bytes.writeBigUInt64BE(BigInt(offset), 16);
  bytes.writeUInt32BE(length, 24);
  return bytes;
}

/**
 * Decodes a simple reply; `error` is an errno, or 0 for success.
 * @throws HoldfastError `disk.device` for anything else.
 */
export function decodeSimpleReply(bytes: Buffer): { error: number; cookie: bigint } {
  if (bytes.readUInt32BE(0) !== simpleReplyMagic) throw nbdError('the server sent a malformed reply');
  return { error: bytes.readUInt32BE(4), cookie: bytes.readBigUInt64BE(8) };
}
