import type { AllowedCommand, HandleRole } from '../../src/tpm/broker/allowed-commands.ts';
import { parseCommand } from '../../src/tpm/broker/command.ts';
import { GuestSessions, OwnHandles } from '../../src/tpm/broker/ownership.ts';
import { type CommandDecision, decideCommand } from '../../src/tpm/broker/policy.ts';
import type { Handle } from '../../src/tpm/codec/handles.ts';
import { message, tagged } from '../../src/tpm/codec/message.ts';
import { Denial } from '../../src/tpm/codec/response-codes.ts';
import { u16, u32 } from '../../src/tpm/codec/wire.ts';

/** An object and a session that the guest of these tests has. */
export const ownObject = 0x8000_0000 as Handle;
export const ownSession = 0x0300_0000 as Handle;

/** The state of a guest that has one of each. */
export function ownHandles(...handles: readonly Handle[]): OwnHandles {
  const own = new OwnHandles(new GuestSessions());
  for (const handle of handles) own.add(handle, 0);
  return own;
}

/** Returns a valid handle for a role. */
export const handleOf: Readonly<Record<HandleRole, number>> = {
  own: ownObject,
  session: ownSession,
  persistent: 0x8101_0001,
  index: 0x0150_0001,
  owner: 0x4000_0001,
  endorsement: 0x4000_000b,
  null: 0x4000_0007,
};

/** Encodes an entry of the authorization area. */
export function authorization(session: number, attributes = 1): Buffer {
  return Buffer.concat([u32(session), u16(0), Buffer.of(attributes), u16(0)]);
}

export const password = authorization(0x4000_0009);

/** Encodes the authorization area with its size. */
export function area(...entries: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(entries);
  return Buffer.concat([u32(bytes.length), bytes]);
}

/** Encodes a command with these handles and the required number of passwords. */
export function commandOf(
  spec: AllowedCommand,
  handles: readonly number[],
  parameters: Buffer = Buffer.alloc(0),
): Buffer {
  const parts = handles.map(u32);
  if (spec.authorizations === 0) return message(spec.code, ...parts, parameters);
  const passwords = area(...Array.from({ length: spec.authorizations }, () => password));
  return tagged(0x8002, spec.code, [...parts, passwords, parameters]);
}

/** Returns the decision about a command: the verdict, or the response code of its rejection. */
export function outcomeOf(
  bytes: Buffer,
  own: OwnHandles = ownHandles(ownObject, ownSession),
): CommandDecision | number {
  try {
    return decideCommand(parseCommand(bytes), own);
  } catch (error) {
    if (error instanceof Denial) return error.code;
    throw error;
  }
}
