import { createPublicKey, X509Certificate } from 'node:crypto';
import type { z } from 'zod';
import { failure, isSystemError, misuse, reasonOf } from '../base/errors.ts';
import { readBounded } from '../base/files.ts';
import { type Evidence, evidence, type Trust, trust } from '../tpm/evidence.ts';
import { type Judgement, judgeEvidence } from '../tpm/judgement.ts';
import { machineTrust } from './attestation.ts';
import { type HomeLayout, parseMachineName } from './home.ts';

/** A whole release manifest, and a log that is longer than any start makes. */
const longest = 2 * 1024 * 1024;

export interface KeptVerdict {
  readonly evidence: Evidence;
  readonly judgement: Judgement;
}

/**
 * Judges evidence that was kept, on any host.
 * @param trustPath what `attest trust` printed where the machine is; undefined: the machine is one of this home.
 * @param nonce that this judge gave out; undefined: the evidence may be of any age.
 * @throws HoldfastError `attest.file` when a file is not what it should be, `attest.trust` when nothing is known of the machine.
 */
export async function judgeKept(
  layout: HomeLayout,
  path: string,
  trustPath: string | undefined,
  nonce: Buffer | undefined,
): Promise<KeptVerdict> {
  const kept = await readForm(path, evidence, 'take it again with `holdfast attest --out FILE`');
  const known =
    trustPath === undefined ? await trustOfHome(layout, kept.machine) : await readTrust(trustPath);
  return { evidence: kept, judgement: judgeEvidence(kept, known, nonce) };
}

async function trustOfHome(layout: HomeLayout, machine: string): Promise<Trust> {
  try {
    return await machineTrust(layout, parseMachineName(machine));
  } catch (error) {
    throw misuse('attest.trust', `nothing is known here of the machine '${machine}'`, {
      why: reasonOf(error),
      next: 'run `holdfast attest trust` on its host, and name what it prints with --trust',
      cause: error,
    });
  }
}

async function readTrust(path: string): Promise<Trust> {
  const next = 'make it again with `holdfast attest trust`';
  const read = await readForm(path, trust, next);
  try {
    createPublicKey(read.attestationKey);
    for (const pem of [read.releaseCertificate, read.platformCertificate]) new X509Certificate(pem);
    return read;
  } catch (error) {
    throw failure('attest.file', `${path} cannot be used`, { why: reasonOf(error), next, cause: error });
  }
}

async function readForm<T extends z.ZodType>(path: string, form: T, next: string): Promise<z.output<T>> {
  try {
    const parsed = form.safeParse(JSON.parse((await readBounded(path, longest)).toString('utf8')));
    if (parsed.success) return parsed.data;
    const [first] = parsed.error.issues; // a file of another kind has dozens
    throw new Error(`it has another form: ${first?.path.join('.')}: ${first?.message}`);
  } catch (error) {
    const why = isSystemError(error, 'ENOENT') ? 'there is no such file' : reasonOf(error);
    throw failure('attest.file', `${path} cannot be used`, { why, next, cause: error });
  }
}
