/** A response code: TCG TPM 2.0 Library Part 2, section 6.6. Branded: it is neither a handle nor a command code. */
export type ResponseCode = number & { readonly __brand: 'ResponseCode' };

/** The response codes that Holdfast answers with or looks for: Part 2, table "Definition of TPM_RC Constants". */
export const responseCodes = {
  success: 0x000,
  badTag: 0x01e,
  attributes: 0x082,
  value: 0x084,
  type: 0x08a,
  handle: 0x08b,
  size: 0x095,
  insufficient: 0x09a,
  failure: 0x101,
  authMissing: 0x125,
  commandSize: 0x142,
  commandCode: 0x143,
  authSize: 0x144,
  authContext: 0x145,
  objectMemory: 0x902,
  sessionMemory: 0x903,
  sessionHandles: 0x905,
  referenceHandle: 0x910,
  referenceSession: 0x918,
  lockout: 0x921,
} as const satisfies Record<string, number>;

export type ResponseName = keyof typeof responseCodes;

/** What a code of format one is about: Part 2, section 6.6.2. Numbers begin with 1. */
export type ErrorPosition =
  | { readonly handle: number }
  | { readonly parameter: number }
  | { readonly session: number };

/** The code, with what it is about. Codes of format zero say that otherwise, or not at all: Part 2, section 6.6.3. */
export function responseCode(name: ResponseName, place?: ErrorPosition): ResponseCode {
  const code = responseCodes[name];
  if (place === undefined) return code as ResponseCode;
  if (name === 'referenceHandle' && 'handle' in place) return (code + place.handle - 1) as ResponseCode;
  if (name === 'referenceSession' && 'session' in place) return (code + place.session - 1) as ResponseCode;
  if ('handle' in place) return (code | (place.handle << 8)) as ResponseCode;
  if ('parameter' in place) return (code | 0x040 | (place.parameter << 8)) as ResponseCode;
  return (code | ((8 + place.session) << 8)) as ResponseCode;
}

/** A command that is not passed on: what the guest is told, and why, for the log. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: ResponseCode;

  constructor(code: ResponseCode, why: string) {
    super(why);
    this.code = code;
  }
}
