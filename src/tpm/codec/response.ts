import { failure } from '../../base/errors.ts';
import type { Handle } from './handles.ts';
import { headerLength, longestMessage, message } from './message.ts';
import { type ResponseCode, responseCodes } from './response-codes.ts';

/** A response with a valid header: TCG TPM 2.0 Library Part 1, section "Response Header". */
export interface Response {
  readonly bytes: Buffer;
  readonly code: ResponseCode;
  /** The bytes after the header. */
  readonly body: Buffer;
}

/** Sends a command to a TPM and returns its response. */
export type Ask = (command: Buffer) => Promise<Response>;

/** @throws HoldfastError `tpm.malformed`. */
export function parseResponse(bytes: Buffer): Response {
  const length = bytes.length;
  if (length < headerLength || length > longestMessage || bytes.readUInt32BE(2) !== length) {
    throw malformed(`${length} bytes that are not a response`);
  }
  return { bytes, code: bytes.readUInt32BE(6) as ResponseCode, body: bytes.subarray(headerLength) };
}

/** Returns the first handle of a successful response that contains one. @throws HoldfastError `tpm.malformed`. */
export function returnedHandle({ body }: Response): Handle {
  if (body.length < 4) throw malformed('a handle is missing');
  return body.readUInt32BE() as Handle;
}

export function isSuccess({ code }: Response): boolean {
  return code === responseCodes.success;
}

/** Returns whether the TPM has no room for another object or session now. The same command may succeed later. */
export function isFull({ code }: Response): boolean {
  return code === responseCodes.objectMemory || code === responseCodes.sessionMemory;
}

/** Returns a response that contains only a code. */
export function errorResponse(code: ResponseCode): Buffer {
  return message(code);
}

/** Returns a successful response without sessions. */
export function plainResponse(body: Uint8Array): Buffer {
  return message(responseCodes.success, body);
}

function malformed(why: string) {
  return failure('tpm.malformed', "cannot read a response of the host's TPM", {
    why,
    next: 'check that the device or socket is a TPM 2.0',
  });
}
