import { type Handle, isSession, isTransient } from '../codec/handles.ts';
import { plainResponse } from '../codec/response.ts';
import { Denial, responseCode } from '../codec/response-codes.ts';
import { Reader, u32 } from '../codec/wire.ts';
import type { Command } from './command.ts';
import type { OwnHandles } from './ownership.ts';

/** TPM_CAP: TCG TPM 2.0 Library Part 2, section 6.12. */
const capabilityHandles = 0x0000_0001;

/** The two types of sessions in TPM2_GetCapability: Part 2, section 7.2. */
const types = { loadedSession: 0x02, savedSession: 0x03, transient: 0x80 } as const;

/**
 * Answers TPM2_GetCapability for objects and sessions (Part 3, section 30.2) with the guest's own, without those of others.
 * The TPM answers for all other capabilities.
 * @throws Denial for such a command with sessions: only the TPM could compute the HMAC of its response.
 */
export function listOwnHandles({ parameters, authorizations }: Command, own: OwnHandles): Buffer | undefined {
  if (parameters.length !== 12) {
    const code = parameters.length < 12 ? 'insufficient' : 'size';
    throw new Denial(responseCode(code, { parameter: 1 }), 'GetCapability takes three numbers');
  }
  const reader = new Reader(parameters);
  const [capability, property, count] = [reader.u32(), reader.u32(), reader.u32()];
  if (capability !== capabilityHandles) return undefined;
  const known = ownOfType(property >>> 24, own);
  if (!known) return undefined;
  if (authorizations.length > 0) {
    throw new Denial(responseCode('authContext'), 'a list of handles was asked for with a session');
  }
  // both kinds of sessions share their numbers: the comparison ignores the type
  const first = property & 0xff_ffff;
  const wanted = known.filter((handle) => (handle & 0xff_ffff) >= first).toSorted((a, b) => a - b);
  const shown = wanted.slice(0, count);
  return plainResponse(
    Buffer.concat([
      Buffer.of(wanted.length > shown.length ? 1 : 0),
      u32(capabilityHandles),
      u32(shown.length),
      ...shown.map(u32),
    ]),
  );
}

function ownOfType(type: number, own: OwnHandles): Handle[] | undefined {
  if (type === types.transient) return own.loaded().filter(isTransient);
  if (type === types.loadedSession) return own.loaded().filter(isSession);
  if (type === types.savedSession) return own.savedSessions();
  return undefined;
}
