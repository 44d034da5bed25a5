import { createPublicKey, X509Certificate } from 'node:crypto';
import type { z } from 'zod';
import { describe, failure, isSystemError, misuse } from '../base/errors.ts';
import { readBounded } from '../base/files.ts';
import type { HomeLayout, MachineName } from '../machine/paths.ts';
import { machineTrust } from './attest.ts';
import { type Evidence, evidence, type Trust, trust } from './evidence.ts';
import { type Judgement, judgeEvidence } from './verify.ts';

/** A whole release manifest, and a log that is longer than any start makes. */
const longest = 2 * 1024 * 1024;

export interface KeptVerdict {
  readonly evidence: Evidence;
  readonly judgement: Judgement;
}

/**
 * Judges evidence that was kept, on any host: whether that very machine proves its start, not any.
 * @param machine one of this home, unless `trustPath` names it.
 * @param trustPath what `attest trust` printed where the machine is; undefined: the machine is one of this home.
 * @param nonce that this judge gave out; undefined: the evidence may be of any age.
 * @throws HoldfastError `attest.file` when a file is not what it should be, `attest.machine` when it is of another, `attest.trust` when nothing is known of the machine.
 */
export async function judgeKept(
  layout: HomeLayout,
  machine: MachineName,
  path: string,
  trustPath: string | undefined,
  nonce: Buffer | undefined,
): Promise<KeptVerdict> {
  const kept = await readForm(path, evidence, 'take it again with `holdfast attest --out FILE`');
  const known = trustPath === undefined ? await trustOfHome(layout, machine) : await readTrust(trustPath);
  if (kept.machine !== known.machine) {
    throw misuse('attest.machine', `the evidence says that it is of the machine '${kept.machine}'`, {
      why: `it would be held against what is known of '${known.machine}'`,
      next: 'name the machine with --machine, or what its host printed for it with --trust',
    });
  }
  return { evidence: kept, judgement: judgeEvidence(kept, known, nonce) };
}

async function trustOfHome(layout: HomeLayout, machine: MachineName): Promise<Trust> {
  try {
    return await machineTrust(layout, machine);
  } catch (error) {
    throw misuse('attest.trust', `nothing is known here of the machine '${machine}'`, {
      why: describe(error),
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
    throw failure('attest.file', `${path} cannot be used`, { why: describe(error), next, cause: error });
  }
}

async function readForm<T extends z.ZodType>(path: string, form: T, next: string): Promise<z.output<T>> {
  try {
    const parsed = form.safeParse(JSON.parse((await readBounded(path, longest)).toString('utf8')));
    if (parsed.success) return parsed.data;
    throw new Error('it has another form', { cause: parsed.error });
  } catch (error) {
    const why = isSystemError(error, 'ENOENT') ? 'there is no such file' : describe(error);
    throw failure('attest.file', `${path} cannot be used`, { why, next, cause: error });
  }
}
