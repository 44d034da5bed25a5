import { commandCodes } from './command-codes.ts';
import { type Handle, permanent } from './handles.ts';
import { message, tagged, tags } from './message.ts';
import { sized, u16, u32 } from './wire.ts';

/** A hierarchy that can have an authorization of the host's: TCG TPM 2.0 Library Part 2, section 9.13. */
export type GuardedHierarchy = 'lockout' | 'owner' | 'endorsement';

/** The limits of guesses at authorizations: Part 3, `DictionaryAttackParameters`. */
export interface GuessLimits {
  readonly tries: number;
  /** Seconds until one try is forgotten. */
  readonly recovery: number;
  /** Seconds until a wrongly guessed authorization of the lockout can be used again; 0: until the next start. */
  readonly lockoutRecovery: number;
}

/**
 * The commands that need the authorization of a hierarchy: Part 3. Only `createPrimary` is ever sent to the host's TPM
 * (denied-commands.ts). Authorizations are passwords: the commands must not leave this host.
 */
export const hierarchyRequests = {
  /** Measures the next start with SHA-256 alone: `PCR_Allocate`. */
  allocateSha256: () => {
    const banks = digestAlgorithms.map(({ code, measured }) =>
      Buffer.concat([u16(code), Buffer.of(3), Buffer.alloc(3, measured ? 0xff : 0)]),
    );
    return tagged(tags.sessions, commandCodes.pcrAllocate, [
      ...[u32(permanent.platform), password(), u32(banks.length), ...banks],
    ]);
  },
  /** A primary key without an authorization of its own: the same for the same template, until the hierarchy's seed changes. */
  createPrimary: (hierarchy: Handle, template: Buffer, authorization?: Buffer) => {
    // TPMS_SENSITIVE_CREATE with neither authorization nor data; no outside information, no creation PCRs
    const sensitive = Buffer.concat([u16(4), u16(0), u16(0)]);
    return tagged(tags.sessions, commandCodes.createPrimary, [
      ...[u32(hierarchy), password(authorization), sensitive, sized(template), u16(0), u32(0)],
    ]);
  },
  /** Makes a loaded key persistent, or removes a persistent one: `EvictControl`. */
  keep: (object: Handle, persistent: Handle, ownerAuthorization: Buffer) =>
    tagged(tags.sessions, commandCodes.evictControl, [
      ...[u32(permanent.owner), u32(object), password(ownerAuthorization), u32(persistent)],
    ]),
  changeAuthorization: (hierarchy: GuardedHierarchy, before: Buffer, after: Buffer) =>
    tagged(tags.sessions, commandCodes.hierarchyChangeAuth, [
      ...[u32(permanent[hierarchy]), password(before), sized(after)],
    ]),
  /** Allows `Clear` or denies it, as the platform: `ClearControl`. */
  clearControl: (isDenied: boolean) =>
    tagged(tags.sessions, commandCodes.clearControl, [
      ...[u32(permanent.platform), password(), Buffer.of(isDenied ? 1 : 0)],
    ]),
  /**
   * Removes all authorizations, the storage seed and what depends on it, as the platform: `Clear`. The endorsement seed stays.
   */
  clear: () => tagged(tags.sessions, commandCodes.clear, [u32(permanent.platform), password()]),
  limitGuesses: ({ tries, recovery, lockoutRecovery }: GuessLimits, lockoutAuthorization: Buffer) =>
    tagged(tags.sessions, commandCodes.dictionaryAttackParameters, [
      ...[u32(permanent.lockout), password(lockoutAuthorization)],
      ...[u32(tries), u32(recovery), u32(lockoutRecovery)],
    ]),
  forgetGuesses: (lockoutAuthorization: Buffer) =>
    tagged(tags.sessions, commandCodes.dictionaryAttackLockReset, [
      ...[u32(permanent.lockout), password(lockoutAuthorization)],
    ]),
  /** Saves everything for the next start, TPM_SU_CLEAR: an unexpected end can count as a guess. */
  shutdown: () => message(commandCodes.shutdown, u16(0)),
} as const;

/** The banks that swtpm has: Part 2, section 6.3. Measuring with unused banks would make the boot slower. */
const digestAlgorithms = [
  { code: 0x0004, measured: false }, // SHA-1
  { code: 0x000b, measured: true }, // SHA-256
  { code: 0x000c, measured: false }, // SHA-384
  { code: 0x000d, measured: false }, // SHA-512
] as const;

/** An authorization area with a password, by default an empty one: Part 1, section "Password Authorizations". */
function password(value: Buffer = Buffer.alloc(0)): Buffer {
  return sized32(Buffer.concat([u32(permanent.password), u16(0), Buffer.of(0), sized(value)]));
}

function sized32(bytes: Buffer): Buffer {
  return Buffer.concat([u32(bytes.length), bytes]);
}
