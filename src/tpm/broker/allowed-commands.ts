/**
 * The commands that a guest may send to the host's TPM, as data; whatever is not here is refused. Codes: TCG TPM 2.0
 * Library Part 2, section 6.5.2; handles and authorizations: the table of each command in Part 3.
 */

import { commandCodes } from '../codec/command-codes.ts';

/**
 * What a handle may be. `own` objects and `session`s are those that the guest made; `persistent` objects are the host's,
 * such as its endorsement key. The platform's and the lockout's hierarchies are nowhere.
 */
export type HandleRole = 'own' | 'persistent' | 'session' | 'index' | 'owner' | 'endorsement' | 'null';

export interface AdmittedCommand {
  readonly code: number;
  readonly name: string;
  /** Why it passes. */
  readonly reason: string;
  /** What each handle may be. */
  readonly handles: readonly (readonly HandleRole[])[];
  /** So many of the handles, from the first, need an authorization. */
  readonly authorizations: number;
  /** True when sessions may not go with it: Part 3, "TPM_ST_NO_SESSIONS" in its table. */
  readonly sessionless: boolean;
  /** True when its response brings a handle. */
  readonly returnsHandle: boolean;
  /** The handle that is gone afterwards, by its position. */
  readonly consumes: number | undefined;
  /** True when making a key may take minutes. */
  readonly slow: boolean;
}

type Traits = Partial<Omit<AdmittedCommand, 'code' | 'name' | 'reason' | 'handles'>>;

function admit(
  code: number,
  name: string,
  handles: AdmittedCommand['handles'],
  reason: string,
  traits: Traits = {},
): AdmittedCommand {
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

export const admittedCommands: readonly AdmittedCommand[] = [
  // what the TPM is, and what it says of the host
  admit(commandCodes.getCapability, 'GetCapability', [], 'reads properties; handles of others are not shown'),
  admit(0x17c, 'GetTestResult', [], 'reads the result of the self-test'),
  admit(0x18a, 'TestParms', [], 'checks whether an algorithm is supported'),
  admit(0x178, 'ECC_Parameters', [], 'reads the constants of a curve'),
  admit(0x181, 'ReadClock', [], 'reads the clock'),
  admit(0x17e, 'PCR_Read', [], 'reads platform configuration registers'),
  admit(0x17b, 'GetRandom', [], 'random numbers, limited by the rate'),
  admit(commandCodes.readPublic, 'ReadPublic', [parent], 'reads the public part of a key'),
  admit(commandCodes.nvReadPublic, 'NV_ReadPublic', [['index']], 'reads the public area of an NV index'),
  admit(
    commandCodes.nvRead,
    'NV_Read',
    [['owner', 'index'], ['index']],
    'reads an NV index, given its authorization',
    {
      authorizations: 1,
    },
  ),

  // sessions and policies, which the commands below are authorized with
  admit(
    commandCodes.startAuthSession,
    'StartAuthSession',
    [['own', 'persistent', 'null'], ['null']],
    'sessions; not bound, because guessing with a bound session would count as an attack',
    { returnsHandle: true },
  ),
  admit(0x180, 'PolicyRestart', [session], 'restarts a policy'),
  admit(0x189, 'PolicyGetDigest', [session], "reads a policy's digest"),
  admit(
    0x151,
    'PolicySecret',
    [['owner', 'endorsement', 'null', 'own'], session],
    "the endorsement key's policy requires it",
    { authorizations: 1 },
  ),
  admit(0x171, 'PolicyOR', [session], "policies of the guest's keys, and of newer endorsement keys"),
  admit(0x16c, 'PolicyCommandCode', [session], "policies of the guest's keys"),
  admit(0x16b, 'PolicyAuthValue', [session], "policies of the guest's keys"),
  admit(0x18c, 'PolicyPassword', [session], "policies of the guest's keys"),
  admit(0x17f, 'PolicyPCR', [session], "policies of the guest's keys"),

  // device provisioning: an endorsement key, a credential for it, keys of the guest's own
  admit(
    commandCodes.createPrimary,
    'CreatePrimary',
    [hierarchy],
    'endorsement and storage keys only, because the same template yields the same key',
    { authorizations: 1, returnsHandle: true, slow: true },
  ),
  admit(0x153, 'Create', [parent], "a key of the guest's own, which leaves the TPM only encrypted", {
    authorizations: 1,
    slow: true,
  }),
  admit(0x157, 'Load', [parent], 'loads such a key', { authorizations: 1, returnsHandle: true }),
  admit(
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
  admit(0x156, 'Import', [parent], 'imports a key that a provisioning service made', { authorizations: 1 }),
  admit(
    0x147,
    'ActivateCredential',
    [own, parent],
    'proves that a key is in the TPM of this endorsement key',
    {
      authorizations: 2,
    },
  ),
  admit(0x15d, 'Sign', [own], "signs with the guest's own key", { authorizations: 1 }),
  admit(0x177, 'VerifySignature', [own], "checks a signature by the guest's own key"),
  admit(0x17d, 'Hash', [], 'hashes data to be signed'),
  admit(0x155, 'HMAC', [own], "signs with the guest's own symmetric key", { authorizations: 1 }),
  admit(0x15b, 'HMAC_Start', [own], 'the same for longer data', { authorizations: 1, returnsHandle: true }),
  admit(0x186, 'HashSequenceStart', [], 'hashes longer data', { returnsHandle: true }),
  admit(0x15c, 'SequenceUpdate', [own], 'hashes longer data', { authorizations: 1 }),
  admit(0x13e, 'SequenceComplete', [own], 'hashes longer data', { authorizations: 1, consumes: 0 }),

  // what the guest has in the TPM, and nobody else's
  admit(
    commandCodes.contextSave,
    'ContextSave',
    [['own', 'session']],
    "saves the guest's own object or session, encrypted: tools keep them in files between commands",
    { sessionless: true },
  ),
  admit(commandCodes.contextLoad, 'ContextLoad', [], 'loads it again', {
    sessionless: true,
    returnsHandle: true,
  }),
  admit(
    commandCodes.flushContext,
    'FlushContext',
    [],
    "removes the guest's own object or session from the TPM",
    {
      sessionless: true,
    },
  ),
];
