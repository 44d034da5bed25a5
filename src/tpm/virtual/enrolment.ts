import type { GuardedHierarchy } from '../codec/hierarchy-requests.ts';
import type { Ask } from '../codec/response.ts';
import { type Authorizations, makeAuthorizations, saveAuthorizations } from './authorizations.ts';
import { clearTpm, type GuardedTpm, guardTpm } from './guard.ts';
import { withPrivateTpm } from './private-tpm.ts';
import {
  makeVirtualTpm,
  noteForeign,
  readAttestationKey,
  recordKey,
  usableAuthorizations,
  virtualTpmState,
} from './virtual-tpm.ts';

/** What `enrolVirtualTpm` found and did. */
export interface Enrolment {
  /** The recorded key before; undefined when there was none. */
  readonly before: string | undefined;
  readonly key: string;
  /** True when the TPM was cleared: what was sealed to it is lost. */
  readonly cleared: boolean;
  readonly changes: readonly string[];
}

/**
 * Makes the TPM of a machine that is off quote with a key of its own again, and records the key: the host alone talks to
 * the TPM. Only if the host does not know an authorization of the TPM, the TPM is cleared first.
 * @param allowClear is called before that.
 * @throws HoldfastError `tpm.key` when the TPM derives no key, what `allowClear` throws, and those of `makeVirtualTpm`.
 */
export async function enrolVirtualTpm(
  directory: string,
  allowClear: (foreign: readonly GuardedHierarchy[]) => Promise<void>,
): Promise<Enrolment> {
  const before = await readAttestationKey(directory);
  if (await makeVirtualTpm(directory)) {
    const key = await readAttestationKey(directory);
    if (key !== undefined) return { before, key, cleared: false, changes: ['the TPM was created'] };
  }
  const saved = await usableAuthorizations(directory);
  const authorizations = saved === 'damaged' ? makeAuthorizations() : saved;
  const state = virtualTpmState(directory);
  let found = await withPrivateTpm(state, (ask) => guardTpm(ask, authorizations, undefined));
  const cleared = found.foreign.length > 0;
  if (cleared) {
    await allowClear(found.foreign);
    if (saved === 'damaged') await saveAuthorizations(directory, authorizations);
    found = await withPrivateTpm(state, (ask) => clearAndGuard(ask, authorizations));
  }
  await noteForeign(directory, authorizations, found);
  return { before, key: await recordKey(directory, found), cleared, changes: found.changes };
}

async function clearAndGuard(ask: Ask, authorizations: Authorizations): Promise<GuardedTpm> {
  await clearTpm(ask);
  return guardTpm(ask, authorizations, undefined);
}
