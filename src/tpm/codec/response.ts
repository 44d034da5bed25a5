import { failure } from '../../base/errors.ts';
import type { Handle } from './handles.ts';
import { headerLength, longestMessage, message } from './message.ts';
import { type ResponseCode, responseCodes } from './response-codes.ts';

/** A response whose header is in order: TCG TPM 2.0 Library Part 1, section "Response Header". */
export interface Response {
  readonly bytes: Buffer;
  readonly code: ResponseCode;
  /** All that follows the header. */
  readonly body: Buffer;
}

/** Sends a command to a TPM and returns its response. */
export type Ask = (command: Buffer) => Promise<Response>;

/** @throws HoldfastError `tpm.malformed`. */
export function parseResponse(bytes: Buffer): Response {
  const length = bytes.length;
  if (length < headerLength || length > longestMessage || bytes.readUInt32BE(2) !== length) {
    throw malformed(`${length} bytes that are no response`);
  }
  return { bytes, code: bytes.readUInt32BE(6) as ResponseCode, body: bytes.subarray(headerLength) };
}

/** The first handle of a successful response that brings one. @throws HoldfastError `tpm.malformed`. */
export function returnedHandle({ body }: Response): Handle {
  if (body.length < 4) throw malformed('a handle is missing');
  return body.readUInt32BE() as Handle;
}

export function isSuccess({ code }: Response): boolean {
  return code === responseCodes.success;
}

/** Whether the TPM has no room for another object or session now: the same command may succeed later. */
export function isFull({ code }: Response): boolean {
  return code === responseCodes.objectMemory || code === responseCodes.sessionMemory;
}

/** A response with a code and nothing else. */
export function errorResponse(code: ResponseCode): Buffer {
  return message(code);
}

/** A successful response without sessions. */
export function plainResponse(body: Uint8Array): Buffer {
  return message(responseCodes.success, body);
}

function malformed(why: string) {
  return failure('tpm.malformed', "the host's TPM gave an answer that is none", {
    why,
    next: 'check that the device or socket is a TPM 2.0',
  });
}
