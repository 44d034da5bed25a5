import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../base/errors.ts';
import type { Machine } from '../machine/machine.ts';
import { trustedCertificate } from '../release/store.ts';
import { readRelease, type SignedRelease } from '../release/verify.ts';
import { guestOf } from '../supervisor/guest.ts';
import { readAttestationKey } from '../tpm/virtual/virtual-tpm.ts';
import type { Evidence, Trust } from './evidence.ts';
import { askForQuote } from './request-quote.ts';
import { type Judgement, judgeEvidence, releaseOf } from './verify.ts';

export interface Attestation {
  readonly evidence: Evidence;
  readonly judgement: Judgement;
}

/**
 * Attests a running machine: requests a quote from its TPM and verifies it.
 * @param nonce of a remote verifier; by default a random one.
 * @throws HoldfastError `attest.key`, those of `Machine.configuration` and `guestOf`.
 */
export async function attestMachine(machine: Machine, nonce: Buffer = randomBytes(32)): Promise<Attestation> {
  const trust = await machineTrust(machine);
  const time = new Date().toISOString();
  const quoted = await askForQuote(guestOf(machine), nonce);
  const { signed } = releaseOf(quoted.log, await releasesOf(machine));
  const evidence: Evidence = { format: 1, machine: machine.name, time, nonce, ...quoted, release: signed };
  return { evidence, judgement: judgeEvidence(evidence, trust, nonce) };
}

/**
 * Returns the facts that a verifier on another host needs about this machine.
 * @throws HoldfastError `attest.key` before the first start, and those of `Machine.configuration`.
 */
export async function machineTrust(machine: Machine): Promise<Trust> {
  await machine.configuration(); // there is such a machine
  const { home } = machine;
  const attestationKey = await recordedKey(machine.paths.tpm);
  const [releaseCertificate, platformCertificate] = await Promise.all([
    readFile(trustedCertificate(home), 'utf8'),
    readFile(join(home.keys, 'platform', 'certificate.pem'), 'utf8'),
  ]);
  return { format: 1, machine: machine.name, attestationKey, releaseCertificate, platformCertificate };
}

/** Returns the releases that the machine's slots may hold, that of its deployment first. */
async function releasesOf(machine: Machine): Promise<[SignedRelease, ...SignedRelease[]]> {
  const { release, updates } = await machine.configuration();
  const certificate = trustedCertificate(machine.home);
  const read = (digest: string) => readRelease(join(machine.home.releases, digest), certificate);
  return [await read(release), ...(await Promise.all(updates.map(read)))];
}

async function recordedKey(directory: string): Promise<string> {
  const key = await readAttestationKey(directory);
  if (key !== undefined) return key;
  throw failure('attest.key', 'the attestation key of the machine is unknown', {
    why: 'its TPM is created at the first start, and the public key is saved then',
    next: 'run `holdfast start`; if it was started before, stop it and run `holdfast attest enrol`',
  });
}
