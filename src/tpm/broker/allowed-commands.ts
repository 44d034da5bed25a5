/**
 * The commands that a guest may send to the host's TPM, as data. All others are denied. Codes: TCG TPM 2.0
 * Library Part 2, section 6.5.2; handles and authorizations: the table of each command in Part 3.
 */

import { commandCodes } from '../codec/command-codes.ts';

/**
 * The kinds of handles. `own` objects and `session`s were made by the guest. `persistent` objects are the host's, such as its
 * endorsement key. The hierarchies of the platform and of the lockout are not among them.
 */
export type HandleRole = 'own' | 'persistent' | 'session' | 'index' | 'owner' | 'endorsement' | 'null';

export interface AllowedCommand {
  readonly code: number;
  readonly name: string;
  /** Why it is allowed. */
  readonly reason: string;
  /** The kinds that each handle may be of. */
  readonly handles: readonly (readonly HandleRole[])[];
  /** The number of handles, from the first, that need an authorization. */
  readonly authorizations: number;
  /** True when it takes no sessions: Part 3, "TPM_ST_NO_SESSIONS" in its table. */
  readonly sessionless: boolean;
  /** True when its response contains a handle. */
  readonly returnsHandle: boolean;
  /** The position of the handle that it removes. */
  readonly consumes: number | undefined;
  /** True when it makes a key, which can take minutes. */
  readonly slow: boolean;
}

type Traits = Partial<Omit<AllowedCommand, 'code' | 'name' | 'reason' | 'handles'>>;

function allow(
  code: number,
  name: string,
  handles: AllowedCommand['handles'],
  reason: string,
  traits: Traits = {},
): AllowedCommand {
  const defaults = {
    authorizations: 0,
    sessionless: false,
    returnsHandle: false,
    consumes: undefined,
    slow: false,
  };
  return { code, name, reason, handles, ...defaults, ...traits };
}

const hierarchy = ['owner', 'endorsement', 'null'] as const;
const parent = ['own', 'persistent'] as const;
const session = ['session'] as const;
const own = ['own'] as const;

export const allowedCommands: readonly AllowedCommand[] = [
  // properties of the TPM, and what it records about the host
  allow(commandCodes.getCapability, 'GetCapability', [], 'reads properties; handles of others are not shown'),
  allow(0x17c, 'GetTestResult', [], 'reads the result of the self-test'),
  allow(0x18a, 'TestParms', [], 'checks whether an algorithm is supported'),
  allow(0x178, 'ECC_Parameters', [], 'reads the constants of a curve'),
  allow(0x181, 'ReadClock', [], 'reads the clock'),
  allow(0x17e, 'PCR_Read', [], 'reads platform configuration registers'),
  allow(0x17b, 'GetRandom', [], 'random numbers, limited by the rate'),
  allow(commandCodes.readPublic, 'ReadPublic', [parent], 'reads the public part of a key'),
  allow(commandCodes.nvReadPublic, 'NV_ReadPublic', [['index']], 'reads the public area of an NV index'),
  allow(
    commandCodes.nvRead,
    'NV_Read',
    [['owner', 'index'], ['index']],
    'reads an NV index, given its authorization',
    {
      authorizations: 1,
    },
  ),

  // sessions and policies, which the commands below are authorized with
  allow(
    commandCodes.startAuthSession,
    'StartAuthSession',
    [['own', 'persistent', 'null'], ['null']],
    'sessions; not bound, because guessing with a bound session would count as an attack',
    { returnsHandle: true },
  ),
  allow(0x180, 'PolicyRestart', [session], 'restarts a policy'),
  allow(0x189, 'PolicyGetDigest', [session], "reads a policy's digest"),
  allow(
    0x151,
    'PolicySecret',
    [['owner', 'endorsement', 'null', 'own'], session],
    "the endorsement key's policy requires it",
    { authorizations: 1 },
  ),
  allow(0x171, 'PolicyOR', [session], "policies of the guest's keys, and of newer endorsement keys"),
  allow(0x16c, 'PolicyCommandCode', [session], "policies of the guest's keys"),
  allow(0x16b, 'PolicyAuthValue', [session], "policies of the guest's keys"),
  allow(0x18c, 'PolicyPassword', [session], "policies of the guest's keys"),
  allow(0x17f, 'PolicyPCR', [session], "policies of the guest's keys"),

  // device provisioning: an endorsement key, a credential for it, keys of the guest's own
  allow(
    commandCodes.createPrimary,
    'CreatePrimary',
    [hierarchy],
    'endorsement and storage keys only, because the same template yields the same key',
    { authorizations: 1, returnsHandle: true, slow: true },
  ),
  allow(0x153, 'Create', [parent], "a key of the guest's own, which leaves the TPM only encrypted", {
    authorizations: 1,
    slow: true,
  }),
  allow(0x157, 'Load', [parent], 'loads such a key', { authorizations: 1, returnsHandle: true }),
  allow(
    0x191,
    'CreateLoaded',
    [own],
    'both at once; below a parent that the guest made, so that it derives no key of the host',
    {
      authorizations: 1,
      returnsHandle: true,
      slow: true,
    },
  ),
  allow(0x156, 'Import', [parent], 'imports a key that a provisioning service made', { authorizations: 1 }),
  allow(
    0x147,
    'ActivateCredential',
    [own, parent],
    'proves that a key is in the TPM of this endorsement key',
    {
      authorizations: 2,
    },
  ),
  allow(0x15d, 'Sign', [own], "signs with the guest's own key", { authorizations: 1 }),
  allow(0x177, 'VerifySignature', [own], "checks a signature by the guest's own key"),
  allow(0x17d, 'Hash', [], 'hashes data to be signed'),
  allow(0x155, 'HMAC', [own], "signs with the guest's own symmetric key", { authorizations: 1 }),
  allow(0x15b, 'HMAC_Start', [own], 'the same for longer data', { authorizations: 1, returnsHandle: true }),
  allow(0x186, 'HashSequenceStart', [], 'hashes longer data', { returnsHandle: true }),
  allow(0x15c, 'SequenceUpdate', [own], 'hashes longer data', { authorizations: 1 }),
  allow(0x13e, 'SequenceComplete', [own], 'hashes longer data', { authorizations: 1, consumes: 0 }),

  // the guest's own objects and sessions
  allow(
    commandCodes.contextSave,
    'ContextSave',
    [['own', 'session']],
    "saves the guest's own object or session, encrypted: tools keep them in files between commands",
    { sessionless: true },
  ),
  allow(commandCodes.contextLoad, 'ContextLoad', [], 'loads it again', {
    sessionless: true,
    returnsHandle: true,
  }),
  allow(
    commandCodes.flushContext,
    'FlushContext',
    [],
    "removes the guest's own object or session from the TPM",
    {
      sessionless: true,
    },
  ),
];
