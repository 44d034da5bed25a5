import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, isSystemError } from '../base/errors.ts';
import { readBounded } from '../base/files.ts';
import { runToEnd } from '../channel/run.ts';
import { readConfiguration } from '../machine/configuration.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { trustedCertificate } from '../release/store.ts';
import { readRelease, type SignedRelease } from '../release/verify.ts';
import { startIn } from '../supervisor/guest.ts';
import { attestationKeyFile } from '../tpm/virtual/virtual-tpm.ts';
import type { Evidence, Trust } from './evidence.ts';
import { askForQuote } from './request-quote.ts';
import { type Judgement, judgeEvidence, releaseOf } from './verify.ts';

export interface Attestation {
  readonly evidence: Evidence;
  readonly judgement: Judgement;
}

/**
 * Has a running machine prove what it was started from, and judges the proof.
 * @param nonce of who will judge it elsewhere; undefined: a new one.
 * @throws HoldfastError `machine.none`, `machine.off`, `attest.key`, and what the guest's command throws.
 */
export async function attestMachine(
  layout: HomeLayout,
  name: MachineName,
  nonce: Buffer = randomBytes(32),
): Promise<Attestation> {
  const trust = await machineTrust(layout, name);
  const start = startIn(layout, name);
  const time = new Date().toISOString();
  const told = await askForQuote({ run: (argv, options) => runToEnd(start, argv, options) }, nonce);
  const { signed } = releaseOf(told.log, await releasesOf(layout, name));
  const evidence: Evidence = { format: 1, machine: name, time, nonce, ...told, release: signed };
  return { evidence, judgement: judgeEvidence(evidence, trust, nonce) };
}

/**
 * What another host must know to judge this machine's evidence.
 * @throws HoldfastError `machine.none`, `attest.key` when the machine has no TPM that quotes yet.
 */
export async function machineTrust(layout: HomeLayout, name: MachineName): Promise<Trust> {
  await readConfiguration(layout, name);
  const attestationKey = await readAttestationKey(machineLayout(layout, name).tpm);
  const [releaseCertificate, platformCertificate] = await Promise.all([
    readFile(trustedCertificate(layout), 'utf8'),
    readFile(join(layout.keys, 'platform', 'certificate.pem'), 'utf8'),
  ]);
  return { format: 1, machine: name, attestationKey, releaseCertificate, platformCertificate };
}

/** Those that the machine's slots may hold; the one that it should run first. */
async function releasesOf(
  layout: HomeLayout,
  name: MachineName,
): Promise<[SignedRelease, ...SignedRelease[]]> {
  const { release, updates } = await readConfiguration(layout, name);
  const certificate = trustedCertificate(layout);
  const read = (digest: string) => readRelease(join(layout.releases, digest), certificate);
  return [await read(release), ...(await Promise.all(updates.map(read)))];
}

async function readAttestationKey(directory: string): Promise<string> {
  try {
    return (await readBounded(attestationKeyFile(directory), 4096)).toString('latin1');
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    throw failure('attest.key', 'it is not known which key the machine answers with', {
      why: 'its TPM is made at the first start, and the public half of the key is kept then',
      next: 'run `holdfast start`; for a machine whose TPM was made before, stop it and move the directory `tpm` of its directory away first',
    });
  }
}
