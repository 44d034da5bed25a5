import { createHash } from 'node:crypto';

/** A UKI section and the digest of its content in lower-case hex. */
export interface SectionMeasurement {
  readonly name: string;
  readonly sha256: string;
}

/** Returns the SHA-256 of the concatenated parts. */
export function digestOf(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/**
 * Returns the value of a PCR, initially zero, after these measurements (TCG TPM 2.0 Library Part 1,
 * "Extend of a PCR").
 */
export function extended(digests: readonly Uint8Array[]): Buffer {
  return digests.reduce((value: Buffer, digest) => digestOf(value, digest), Buffer.alloc(32));
}

/**
 * Returns what the stub measures of a section: the name with its NUL, then the content
 * (systemd-stub(7), "TPM PCR Notes").
 */
export function sectionDigests(section: SectionMeasurement): readonly [name: Buffer, content: Buffer] {
  return [digestOf(Buffer.from(`${section.name}\0`)), Buffer.from(section.sha256, 'hex')];
}
