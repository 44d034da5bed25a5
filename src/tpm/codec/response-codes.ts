/** A response code: TCG TPM 2.0 Library Part 2, section 6.6. Branded: it is neither a handle nor a command code. */
export type ResponseCode = number & { readonly __brand: 'ResponseCode' };

/** The response codes that Holdfast uses: Part 2, table "Definition of TPM_RC Constants". */
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

/** The position that a format-one code refers to: Part 2, section 6.6.2. Numbers start at 1. */
export type ErrorPosition =
  | { readonly handle: number }
  | { readonly parameter: number }
  | { readonly session: number };

/** Returns the code with its position. Format-zero codes encode it differently, or not at all: Part 2, section 6.6.3. */
export function responseCode(name: ResponseName, place?: ErrorPosition): ResponseCode {
  const code = responseCodes[name];
  if (place === undefined) return code as ResponseCode;
  if (name === 'referenceHandle' && 'handle' in place) return (code + place.handle - 1) as ResponseCode;
  if (name === 'referenceSession' && 'session' in place) return (code + place.session - 1) as ResponseCode;
  if ('handle' in place) return (code | (place.handle << 8)) as ResponseCode;
  if ('parameter' in place) return (code | 0x040 | (place.parameter << 8)) as ResponseCode;
  return (code | ((8 + place.session) << 8)) as ResponseCode;
}

/** A denied command: the code for the guest, and the reason for the log. */
export class Denial extends Error {
  override readonly name = 'Denial';
  readonly code: ResponseCode;

  constructor(code: ResponseCode, why: string) {
    super(why);
    this.code = code;
  }
}
