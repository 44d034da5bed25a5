import { formatHandle, type Handle } from '../codec/handles.ts';
import { tags } from '../codec/message.ts';
import { Denial, type ErrorPosition, type ResponseName, responseCode } from '../codec/response-codes.ts';
import { Reader, Truncated } from '../codec/wire.ts';
import { type AllowedCommand, allowedCommands } from './allowed-commands.ts';
import { deniedCommands } from './denied-commands.ts';

/** TPMA_SESSION, Part 2, section 8.4: bit 0. */
const continueSession = 0x01;

/** The limit for the sessions of a command: Part 1, section "Session-Based Authorizations". */
const mostSessions = 3;

/** The limit for a nonce or an HMAC: the largest digest, SHA-512's. */
const longestDigest = 64;

/** One entry of the authorization area: Part 2, TPMS_AUTH_COMMAND. */
export interface Authorization {
  readonly session: Handle;
  /** False: the session ends with this command. */
  readonly continues: boolean;
}

/** A well-formed command that the table allows. */
export interface Command {
  readonly bytes: Buffer;
  readonly spec: AllowedCommand;
  readonly handles: readonly Handle[];
  readonly authorizations: readonly Authorization[];
  readonly parameters: Buffer;
}

const allowed: ReadonlyMap<number, AllowedCommand> = new Map(
  allowedCommands.map((spec) => [spec.code, spec]),
);
const denied = new Map(deniedCommands.map((spec) => [spec.code, spec]));

/**
 * Reads header, handles and authorizations in the order in which a TPM checks them: Part 3, section 5.
 * @param bytes one message with a correct size field.
 * @throws Denial.
 */
export function parseCommand(bytes: Buffer): Command {
  const reader = new Reader(bytes);
  const tag = reader.u16();
  reader.u32();
  const code = reader.u32();
  const hasSessions = tag === tags.sessions;
  if (!hasSessions && tag !== tags.noSessions) {
    throw new Denial(responseCode('badTag'), `the tag is ${formatHandle(tag)}`);
  }
  const spec = allowed.get(code);
  if (!spec) throw notAllowed(code);
  const handles = spec.handles.map((_roles, index) => readHandle(reader, index + 1));
  if (hasSessions && spec.sessionless) {
    throw new Denial(responseCode('authContext'), `${spec.name} takes no sessions`);
  }
  const authorizations = hasSessions ? readAuthorizations(reader) : [];
  if (authorizations.length < spec.authorizations) {
    throw new Denial(responseCode('authMissing'), `${spec.name} needs ${spec.authorizations} authorizations`);
  }
  return { bytes, spec, handles, authorizations, parameters: reader.rest() };
}

function notAllowed(code: number): Denial {
  const known = denied.get(code);
  const why = known ? `${known.name}: ${known.reason}` : `unknown command: ${formatHandle(code)}`;
  return new Denial(responseCode('commandCode'), why);
}

function readHandle(reader: Reader, position: number): Handle {
  if (reader.left < 4) {
    throw new Denial(responseCode('insufficient', { handle: position }), `handle ${position} is truncated`);
  }
  return reader.u32() as Handle;
}

/** The shortest entry of the authorization area: a handle, an empty nonce, the attributes, an empty HMAC. */
const shortestEntry = 9;

/**
 * Reads the authorization area: its size, then entries that fill it exactly. The codes are those of Part 3,
 * section 5.5.
 */
function readAuthorizations(reader: Reader): Authorization[] {
  if (reader.left < 4) throw malformed('insufficient', 'their size is truncated');
  const size = reader.u32();
  if (size < shortestEntry || size > reader.left) throw malformed('size', `${size} bytes`);
  const area = new Reader(reader.take(size));
  const authorizations: Authorization[] = [];
  while (area.left > 0) {
    if (authorizations.length === mostSessions) throw malformed('authSize', `more than ${mostSessions}`);
    authorizations.push(readAuthorization(area, authorizations.length + 1));
  }
  return authorizations;
}

function readAuthorization(area: Reader, position: number): Authorization {
  try {
    const session = area.u32() as Handle;
    const nonce = area.sized();
    const attributes = area.u8();
    const proof = area.sized();
    if (Math.max(nonce.length, proof.length) > longestDigest) {
      throw malformed('size', 'a digest is too long', { session: position });
    }
    return { session, continues: (attributes & continueSession) !== 0 };
  } catch (error) {
    if (error instanceof Truncated) throw malformed('insufficient', error.message, { session: position });
    throw error;
  }
}

function malformed(name: ResponseName, why: string, place?: ErrorPosition): Denial {
  return new Denial(responseCode(name, place), `authorizations: ${why}`);
}
