import { createPublicKey, X509Certificate } from 'node:crypto';
import type * as z from 'zod';
import { describe, failure, isSystemError, misuse } from '../base/errors.ts';
import { readBounded } from '../base/files.ts';
import type { Machine } from '../machine/machine.ts';
import { machineTrust } from './attest.ts';
import { type Evidence, evidence, type Trust, trust } from './evidence.ts';
import { type Judgement, judgeEvidence } from './verify.ts';

/** Bytes: a whole release manifest, and a log longer than that of any boot. */
const longest = 2 * 1024 * 1024;

export interface KeptVerdict {
  readonly evidence: Evidence;
  readonly judgement: Judgement;
}

/**
 * Verifies saved evidence, on any host: that it proves the boot of this machine, and of no other.
 * @param machine of this home; ignored when `trustPath` is given.
 * @param trustPath a file with the output of `attest trust` on the machine's host.
 * @param nonce that this verifier issued; without it the evidence may be of any age.
 * @throws HoldfastError `attest.file` when a file is malformed, `attest.machine` for evidence of another
 *   machine, `attest.trust` when this host knows no attestation key of the machine.
 */
export async function judgeSaved(
  machine: Machine,
  path: string,
  trustPath: string | undefined,
  nonce: Buffer | undefined,
): Promise<KeptVerdict> {
  const kept = await readForm(path, evidence, 'create it again with `holdfast attest --out FILE`');
  const known = trustPath === undefined ? await trustOfHome(machine) : await readTrust(trustPath);
  if (kept.machine !== known.machine) {
    throw misuse('attest.machine', `the evidence belongs to the machine '${kept.machine}'`, {
      why: `it is verified with the keys of '${known.machine}'`,
      next: 'name the machine with --machine, or pass its trusted keys with --trust',
    });
  }
  return { evidence: kept, judgement: judgeEvidence(kept, known, nonce) };
}

async function trustOfHome(machine: Machine): Promise<Trust> {
  try {
    return await machineTrust(machine);
  } catch (error) {
    throw misuse('attest.trust', `this host knows no attestation key of the machine '${machine.name}'`, {
      why: describe(error),
      next: 'run `holdfast attest trust` on its host, and pass the output with --trust',
      cause: error,
    });
  }
}

async function readTrust(path: string): Promise<Trust> {
  const next = 'create it again with `holdfast attest trust`';
  const read = await readForm(path, trust, next);
  try {
    createPublicKey(read.attestationKey);
    for (const pem of [read.releaseCertificate, read.platformCertificate]) new X509Certificate(pem);
    return read;
  } catch (error) {
    throw failure('attest.file', `cannot use ${path}`, { why: describe(error), next, cause: error });
  }
}

async function readForm<T extends z.ZodType>(path: string, form: T, next: string): Promise<z.output<T>> {
  try {
    const parsed = form.safeParse(JSON.parse((await readBounded(path, longest)).toString('utf8')));
    if (parsed.success) return parsed.data;
    throw new Error('its content is not as expected', { cause: parsed.error });
  } catch (error) {
    const why = isSystemError(error, 'ENOENT') ? 'there is no such file' : describe(error);
    throw failure('attest.file', `cannot use ${path}`, { why, next, cause: error });
  }
}
