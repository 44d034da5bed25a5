import { createHash } from 'node:crypto';

/** A part of a UKI, and the digest of its content in lower-case hex. */
export interface SectionMeasurement {
  readonly name: string;
  readonly sha256: string;
}

/** SHA-256 of these bytes, one part after the other. */
export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** A register of a TPM after these measurements: TCG TPM 2.0 Library Part 1, section "Extend of a PCR". */
export function extended(digests: readonly Uint8Array[]): Buffer {
  return digests.reduce((value: Buffer, digest) => sha256(value, digest), Buffer.alloc(32));
}

/** What the stub measures of a part of a UKI: the name with its NUL, then the content (systemd-stub(7), "TPM PCR Notes"). */
export function sectionDigests(section: SectionMeasurement): readonly [name: Buffer, content: Buffer] {
  return [sha256(Buffer.from(`${section.name}\0`)), Buffer.from(section.sha256, 'hex')];
}
