import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { failure, isSystemError } from '../../base/errors.ts';
import {
  exists,
  makePrivateDirectory,
  readBounded,
  syncDirectory,
  writeFileAtomic,
} from '../../base/files.ts';
import { type GuardedHierarchy, hierarchyRequests } from '../codec/hierarchy-requests.ts';
import { readBody } from '../codec/requests.ts';
import {
  type Authorizations,
  makeAuthorizations,
  readAuthorizations,
  saveAuthorizations,
} from './authorizations.ts';
import { type GuardedTpm, guardTpm } from './guard.ts';
import { withPrivateTpm } from './private-tpm.ts';
import type { TpmState } from './swtpm.ts';

/** Returns the state of a machine's own TPM, in its directory. */
export function virtualTpmState(directory: string): TpmState {
  return { directory: join(directory, 'state'), key: join(directory, 'key') };
}

/**
 * Returns the path of the public half of the key that the TPM quotes with: PEM. The host read it while no guest could access
 * the TPM.
 */
function attestationKeyFile(directory: string): string {
  return join(directory, 'attestation-key.pem');
}

/** Returns the public half of the recorded attestation key: PEM; undefined when none was recorded. */
export async function readAttestationKey(directory: string): Promise<string | undefined> {
  try {
    return (await readBounded(attestationKeyFile(directory), 4096)).toString('latin1');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Makes the TPM of a machine, unless it exists: its key, its seeds, one bank of PCRs, the host's authorizations, and the
 * key that it quotes with. It is made in a temporary directory and moved as the last step.
 * @returns false when it exists.
 * @throws HoldfastError `process.missing` without swtpm, `tpm.make`.
 */
export async function makeVirtualTpm(directory: string): Promise<boolean> {
  if (await exists(directory)) return false;
  const draft = `${directory}.new`;
  await rm(draft, { recursive: true, force: true });
  await makePrivateDirectory(draft);
  const state = virtualTpmState(draft);
  await mkdir(state.directory, { mode: 0o700 });
  await writeFile(state.key, randomBytes(32).toString('hex'), { mode: 0o600, flush: true });
  const authorizations = makeAuthorizations();
  await saveAuthorizations(draft, authorizations);
  await withPrivateTpm(state, async (ask) => {
    readBody(await ask(hierarchyRequests.allocateSha256()), 'its PCR banks', (reader) => {
      reader.u32(); // the size of the parameters
      if (reader.u8() !== 1) throw new Error('it rejected the banks');
    });
    await recordKey(draft, await guardTpm(ask, authorizations, undefined));
  });
  await rename(draft, directory);
  await syncDirectory(dirname(directory));
  return true;
}

/**
 * Makes or repairs the TPM of a machine that is about to start: its hierarchies have the host's authorizations, and its keys are
 * there. A guest of an older Holdfast may have set authorizations first: the machine starts nevertheless.
 * @returns lines for the log: what was changed, and what could not be repaired.
 * @throws HoldfastError those of `makeVirtualTpm`.
 */
export async function prepareVirtualTpm(directory: string): Promise<readonly string[]> {
  if (await makeVirtualTpm(directory)) return ['TPM created'];
  const authorizations = await usableAuthorizations(directory);
  if (authorizations === 'damaged') return ['TPM: the file with its authorizations is damaged'];
  const recorded = await readAttestationKey(directory);
  const guarded = await withPrivateTpm(virtualTpmState(directory), async (ask) => {
    const found = await guardTpm(ask, authorizations, recorded);
    await noteForeign(directory, authorizations, found);
    return found;
  });
  const problems = guardProblems(guarded.foreign);
  if (guarded.key === undefined || guarded.key !== recorded)
    problems.push('the attestation key is not the recorded one: `holdfast attest enrol` records it again');
  return [...guarded.changes, ...problems].map((line) => `TPM: ${line}`);
}

/** Returns what the host does not control in the machine's TPM, as of its last start: for the user. */
export async function virtualTpmProblems(directory: string): Promise<readonly string[]> {
  if (!(await exists(directory))) return []; // before the first start
  const saved = await readAuthorizations(directory);
  if (saved === 'none') return ['the host has not taken charge of it: `holdfast restart` does'];
  if (saved === 'damaged')
    return ['the file with its authorizations is damaged: run `holdfast attest enrol`'];
  return guardProblems(saved.foreign);
}

function guardProblems(foreign: readonly GuardedHierarchy[]): string[] {
  return foreign.map(
    (hierarchy) =>
      `the host does not know the authorization of its ${hierarchy} hierarchy: run \`holdfast attest enrol\``,
  );
}

/** Returns the authorizations, which are made and saved for a TPM of an older Holdfast. */
export async function usableAuthorizations(directory: string): Promise<Authorizations | 'damaged'> {
  const saved = await readAuthorizations(directory);
  if (saved !== 'none') return saved;
  const made = makeAuthorizations();
  await saveAuthorizations(directory, made);
  return made;
}

/** Saves which hierarchies the host does not control, if that has changed. */
export async function noteForeign(
  directory: string,
  authorizations: Authorizations,
  { foreign }: GuardedTpm,
): Promise<void> {
  if (foreign.join() === authorizations.foreign.join()) return;
  await saveAuthorizations(directory, { ...authorizations, foreign: [...foreign] });
}

/** Records the key that the TPM quotes with, and returns it. @throws HoldfastError `tpm.key` unless the TPM derives it. */
export async function recordKey(directory: string, { key, ownKey }: GuardedTpm): Promise<string> {
  if (key === undefined || key !== ownKey) {
    throw failure('tpm.key', 'the TPM has no attestation key of its own', {
      why: 'it derived none, or another one is in its place',
    });
  }
  if ((await readAttestationKey(directory)) !== key)
    await writeFileAtomic(attestationKeyFile(directory), key);
  return key;
}
