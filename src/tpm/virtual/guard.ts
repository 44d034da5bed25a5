import { type Handle, permanent } from '../codec/handles.ts';
import { type GuardedHierarchy, type GuessLimits, hierarchyRequests } from '../codec/hierarchy-requests.ts';
import { properties, readBody, readProperties, requests } from '../codec/requests.ts';
import { type Ask, isSuccess, returnedHandle } from '../codec/response.ts';
import {
  attestationKeyHandle,
  attestationKeyPem,
  attestationKeyTemplate,
  isAttestationKey,
} from './attestation-key.ts';
import type { Authorizations } from './authorizations.ts';
import { storageKeyHandle, storageKeyTemplate } from './storage-key.ts';

/** The state of a TPM after `guardTpm`. */
export interface GuardedTpm {
  /** Hierarchies whose authorization the host does not know: the guest set it before the host did, or the host lost it. */
  readonly foreign: readonly GuardedHierarchy[];
  /** Public half of the key at the handle of the attestation key: PEM; undefined when there is none. */
  readonly key: string | undefined;
  /** Public half of the key that this TPM derives as its attestation key; undefined when the host cannot have it derived. */
  readonly ownKey: string | undefined;
  /** The changes that were made. */
  readonly changes: readonly string[];
}

/** TPMA_PERMANENT: TCG TPM 2.0 Library Part 2, section 8.6. */
const flags = { owner: 1 << 0, endorsement: 1 << 1, lockout: 1 << 2, disableClear: 1 << 8 } as const;

/** A guest can use up the tries of its own keys only: the host forgets them at each start. */
const guessLimits: GuessLimits = { tries: 10, recovery: 600, lockoutRecovery: 0 };

/**
 * Gives the hierarchies of a machine's TPM the host's authorizations, denies `Clear`, forgets guesses, and brings back the
 * persistent keys. Changes only what is not so already, and repeats what an interruption left out.
 * @param ask a TPM that has no other user, and whose platform has no authorization.
 * @param expected public half of the recorded attestation key: another one at its handle is replaced, if this TPM derives the
 *   recorded one.
 * @throws HoldfastError `tpm.refused`, `tpm.malformed`, `tpm.key`.
 */
export async function guardTpm(
  ask: Ask,
  authorizations: Authorizations,
  expected: string | undefined,
): Promise<GuardedTpm> {
  const changes: string[] = [];
  const permanentFlags = await readPermanentFlags(ask);
  const foreign: GuardedHierarchy[] = [];
  for (const hierarchy of ['lockout', 'owner', 'endorsement'] as const) {
    const isSet = (permanentFlags & flags[hierarchy]) !== 0;
    const value = authorizations[hierarchy];
    const before = isSet ? value : Buffer.alloc(0);
    if (!isSuccess(await ask(hierarchyRequests.changeAuthorization(hierarchy, before, value)))) {
      foreign.push(hierarchy);
    } else if (!isSet) changes.push(`the ${hierarchy} got an authorization`);
  }
  if ((permanentFlags & flags.disableClear) === 0) {
    await expectDone(ask, hierarchyRequests.clearControl(true), 'the end of Clear');
    changes.push('Clear was disabled');
  }
  if (!foreign.includes('lockout')) {
    await expectDone(ask, hierarchyRequests.limitGuesses(guessLimits, authorizations.lockout), 'limits');
    await expectDone(ask, hierarchyRequests.forgetGuesses(authorizations.lockout), 'forgotten guesses');
  }
  const keys = new PersistentKeys(ask, authorizations, foreign, changes);
  await keys.restoreStorageKey();
  return { foreign, changes, ...(await keys.restoreAttestationKey(expected)) };
}

/** Lets the platform clear a TPM whose authorizations the host does not know. What was sealed to it is lost. */
export async function clearTpm(ask: Ask): Promise<void> {
  await expectDone(ask, hierarchyRequests.clearControl(false), 'permission to clear');
  await expectDone(ask, hierarchyRequests.clear(), 'a clear');
}

/** The keys that the host keeps persistent, as far as it knows the authorizations that this needs. */
class PersistentKeys {
  readonly #ask: Ask;
  readonly #authorizations: Authorizations;
  readonly #foreign: readonly GuardedHierarchy[];
  readonly #changes: string[];

  constructor(
    ask: Ask,
    authorizations: Authorizations,
    foreign: readonly GuardedHierarchy[],
    changes: string[],
  ) {
    this.#ask = ask;
    this.#authorizations = authorizations;
    this.#foreign = foreign;
    this.#changes = changes;
  }

  /** Makes the storage root key persistent, unless a key is at its handle: data may be sealed to that one. */
  async restoreStorageKey(): Promise<void> {
    if (this.#foreign.includes('owner') || (await readKey(this.#ask, storageKeyHandle))) return;
    const { handle } = await this.#derive('owner', storageKeyTemplate);
    await this.#keep(handle, storageKeyHandle);
    this.#changes.push('the storage key was made persistent');
  }

  async restoreAttestationKey(
    expected: string | undefined,
  ): Promise<{ readonly key: string | undefined; readonly ownKey: string | undefined }> {
    const area = await readKey(this.#ask, attestationKeyHandle);
    const key = area && isAttestationKey(area) ? attestationKeyPem(area) : undefined;
    if (key !== undefined && key === expected) return { key, ownKey: key };
    if (this.#foreign.includes('endorsement')) return { key, ownKey: undefined };
    const derived = await this.#derive('endorsement', attestationKeyTemplate);
    const ownKey = attestationKeyPem(derived.area);
    const isWanted = expected === undefined || expected === ownKey;
    if (!isWanted || key === ownKey || this.#foreign.includes('owner')) {
      await this.#ask(requests.flush(derived.handle));
      return { key, ownKey };
    }
    if (area) await this.#remove(attestationKeyHandle);
    await this.#keep(derived.handle, attestationKeyHandle);
    this.#changes.push('the attestation key was made persistent');
    return { key: ownKey, ownKey };
  }

  async #derive(
    hierarchy: 'owner' | 'endorsement',
    template: Buffer,
  ): Promise<{ readonly handle: Handle; readonly area: Buffer }> {
    const value = this.#authorizations[hierarchy];
    const made = await this.#ask(hierarchyRequests.createPrimary(permanent[hierarchy], template, value));
    const area = readBody(made, 'a primary key', (reader) => {
      reader.u32(); // the handle
      reader.u32(); // the size of the parameters
      return reader.sized();
    });
    return { handle: returnedHandle(made), area };
  }

  async #keep(object: Handle, persistent: Handle): Promise<void> {
    const { owner } = this.#authorizations;
    await expectDone(this.#ask, hierarchyRequests.keep(object, persistent, owner), 'a persistent key');
    await this.#ask(requests.flush(object));
  }

  async #remove(persistent: Handle): Promise<void> {
    const { owner } = this.#authorizations;
    await expectDone(this.#ask, hierarchyRequests.keep(persistent, persistent, owner), 'a free handle');
  }
}

async function readPermanentFlags(ask: Ask): Promise<number> {
  const read = readProperties(await ask(requests.properties(properties.permanent, 1)));
  return read.get(properties.permanent) ?? 0;
}

/** Returns the public area of a persistent key; undefined when there is none. */
async function readKey(ask: Ask, handle: Handle): Promise<Buffer | undefined> {
  const response = await ask(requests.readPublic(handle));
  return isSuccess(response) ? readBody(response, 'a key', (reader) => reader.sized()) : undefined;
}

async function expectDone(ask: Ask, command: Buffer, what: string): Promise<void> {
  readBody(await ask(command), what, () => {});
}
