import { commandCodes } from '../codec/command-codes.ts';
import {
  formatHandle,
  type Handle,
  handleType,
  isSession,
  isTransient,
  permanent,
} from '../codec/handles.ts';
import { Denial, responseCode } from '../codec/response-codes.ts';
import { Reader, Truncated } from '../codec/wire.ts';
import type { HandleRole } from './allowed-commands.ts';
import type { Command } from './command.ts';
import { listOwnHandles } from './handle-list.ts';
import type { OwnHandles } from './ownership.ts';

/** The decision on a command that is not denied. */
export type CommandDecision =
  /** The broker answers it; the TPM does not see it. */
  | { readonly answer: Buffer }
  /** It is passed on after an examination of these handles, whose authorization could be guessed. */
  | { readonly examine: readonly Handle[] };

/**
 * Decides on a command by the table's rules for its handles, by what the guest owns, and for some commands by their parameters.
 * @throws Denial.
 */
export function decideCommand(command: Command, own: OwnHandles): CommandDecision {
  const { spec, handles, authorizations } = command;
  for (const [index, handle] of handles.entries()) {
    const roles = spec.handles[index] ?? [];
    if (!roles.some((role) => isInRole[role](handle, own))) throw wrongHandle(handle, index + 1);
  }
  for (const [index, { session }] of authorizations.entries()) {
    if (session === permanent.password || (isSession(session) && own.isLoaded(session))) continue;
    throw new Denial(
      responseCode('referenceSession', { session: index + 1 }),
      `the session ${formatHandle(session)} is not the guest's`,
    );
  }
  const look = looks[spec.code];
  const answer = look?.(command, own);
  if (answer) return { answer };
  if (spec.returnsHandle && !returnsSession.includes(spec.code)) requireRoomForObject(own);
  return { examine: handles.slice(0, spec.authorizations).filter((handle) => !isHierarchy(handle)) };
}

const isInRole: Readonly<Record<HandleRole, (handle: Handle, own: OwnHandles) => boolean>> = {
  own: (handle, own) => isTransient(handle) && own.isLoaded(handle),
  session: (handle, own) => isSession(handle) && own.isLoaded(handle),
  persistent: (handle) => handleType(handle) === 'persistent',
  index: (handle) => handleType(handle) === 'index',
  owner: (handle) => handle === permanent.owner,
  endorsement: (handle) => handle === permanent.endorsement,
  null: (handle) => handle === permanent.null,
};

/**
 * Returns true for a hierarchy: guessing its authorization does not count as an attack: Part 1, section
 * "Dictionary Attack Protection".
 */
function isHierarchy(handle: Handle): boolean {
  return [permanent.owner, permanent.endorsement, permanent.null].includes(handle);
}

/** Returns the denial for a handle that the guest does not own, which counts as not loaded: Part 3, section 5.4. */
function wrongHandle(handle: Handle, position: number): Denial {
  const isAbsent = isTransient(handle) || isSession(handle);
  const place = { handle: position };
  return new Denial(
    isAbsent ? responseCode('referenceHandle', place) : responseCode('value', place),
    `handle ${position} is ${formatHandle(handle)}, which is not for the guest`,
  );
}

/** The commands whose response may contain a session's handle. */
const returnsSession: readonly number[] = [commandCodes.startAuthSession, commandCodes.contextLoad];

/** The checks of parameters. Some answer the command. */
const looks: Readonly<Record<number, (command: Command, own: OwnHandles) => Buffer | undefined>> = {
  [commandCodes.flushContext]: ({ parameters }, own) => {
    const handle = read(parameters, (reader) => reader.u32()) as Handle;
    if (!own.isOwn(handle)) throw notOwn(handle);
    return undefined;
  },
  [commandCodes.contextLoad]: ({ parameters }, own) => {
    // TPMS_CONTEXT, Part 2, section 14.5: sequence, then the saved handle
    const handle = read(parameters, (reader) => {
      reader.take(8);
      return reader.u32();
    }) as Handle;
    if (isSession(handle)) {
      if (!own.isOwnSession(handle)) throw notOwn(handle);
      requireRoomForSession(own);
    } else requireRoomForObject(own);
    return undefined;
  },
  [commandCodes.startAuthSession]: (_command, own) => {
    if (own.sessionsAreFull)
      throw new Denial(responseCode('sessionHandles'), 'the guest has too many sessions');
    requireRoomForSession(own);
    return undefined;
  },
  [commandCodes.createPrimary]: requireParent,
  [commandCodes.getCapability]: listOwnHandles,
};

/** TPMA_OBJECT: Part 2, section 8.3. */
const attributes = { restricted: 1 << 16, decrypt: 1 << 17, sign: 1 << 18 } as const;

/** Part 2, section 6.3: asymmetric keys. A symmetric parent derives keys, which are not needed here. */
const asymmetric: readonly number[] = [0x0001, 0x0023];

/**
 * Requires that the template of a primary key (Part 3, TPM2_CreatePrimary: inSensitive, inPublic) is that of a parent. The same
 * template makes the same key for every user, so a primary key that signs or decrypts may be one that the host uses.
 */
function requireParent({ parameters }: Command): undefined {
  const { type, flags } = read(parameters, (reader) => {
    reader.sized();
    const template = new Reader(reader.sized());
    const keyType = template.u16();
    template.u16(); // the name's hash algorithm
    return { type: keyType, flags: template.u32() };
  });
  if (!asymmetric.includes(type)) {
    throw new Denial(responseCode('type', { parameter: 2 }), 'a primary key that is neither RSA nor ECC');
  }
  const { restricted, decrypt, sign } = attributes;
  if ((flags & (restricted | decrypt | sign)) !== (restricted | decrypt)) {
    throw new Denial(
      responseCode('attributes', { parameter: 2 }),
      'a primary key that is not only a parent: it may be one that the host uses',
    );
  }
}

function requireRoomForObject(own: OwnHandles): void {
  if (own.objectsAreFull) throw new Denial(responseCode('objectMemory'), 'the guest has too many objects');
}

function requireRoomForSession(own: OwnHandles): void {
  if (own.loadedSessionsAreFull) {
    throw new Denial(responseCode('sessionMemory'), 'the connection has too many sessions loaded');
  }
}

function notOwn(handle: Handle): Denial {
  return new Denial(
    responseCode(isSession(handle) || isTransient(handle) ? 'handle' : 'value', { parameter: 1 }),
    `${formatHandle(handle)} is not an object or session of the guest`,
  );
}

/** @throws Denial when the parameters are truncated. */
function read<T>(parameters: Buffer, work: (reader: Reader) => T): T {
  try {
    return work(new Reader(parameters));
  } catch (error) {
    if (!(error instanceof Truncated)) throw error;
    throw new Denial(responseCode('insufficient', { parameter: 1 }), `parameters: ${error.message}`);
  }
}
