import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { failure } from '../../base/errors.ts';
import { type Handle, permanent } from '../codec/handles.ts';
import { Reader, sized, u16, u32 } from '../codec/wire.ts';

/** The persistent handle of the key that a machine's own TPM quotes with. */
export const attestationKeyHandle = 0x8101_0002 as Handle;

/** TCG TPM 2.0 Library Part 2: TPM_ALG_ID (6.3), TPM_ECC_NIST_P256 (6.4). */
const algorithms = { ecc: 0x0023, sha256: 0x000b, ecdsa: 0x0018, none: 0x0010 } as const;
const p256 = 0x0003;

/**
 * TPMA_OBJECT (8.3): the key never leaves this TPM, was made in it, and is restricted: it signs only data that the TPM itself
 * makes. It has no authorization: the guest's root can request quotes, and nothing else.
 */
const attributes = 0x0005_0472;

/**
 * TPMT_PUBLIC (12.2.4) of a primary key of the endorsement hierarchy. The TPM derives the same key from it each time, as long as
 * its endorsement seed is the same, which only the platform can change.
 */
export const attestationKeyTemplate = Buffer.concat([
  ...[u16(algorithms.ecc), u16(algorithms.sha256), u32(attributes), sized()],
  u16(algorithms.none), // symmetric
  ...[u16(algorithms.ecdsa), u16(algorithms.sha256)],
  u16(p256),
  u16(algorithms.none), // key derivation
  ...[sized(), sized()],
]);

/** Up to there the public area of the key is the template. */
const uniqueAt = attestationKeyTemplate.length - 4;

/** Returns whether this public area is that of a key of the template, in whichever TPM. */
export function isAttestationKey(area: Buffer): boolean {
  return area.subarray(0, uniqueAt).equals(attestationKeyTemplate.subarray(0, uniqueAt));
}

/** Returns the public key of a public area, TPMT_PUBLIC: PEM. @throws HoldfastError `tpm.key`. */
export function attestationKeyPem(area: Buffer): string {
  if (!isAttestationKey(area)) {
    throw failure('tpm.key', 'the TPM created a key other than the requested one');
  }
  const reader = new Reader(area.subarray(uniqueAt));
  const coordinate = () => reader.sized().toString('base64url');
  const key = { kty: 'EC', crv: 'P-256', x: coordinate(), y: coordinate() };
  return createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
}

/**
 * Returns the qualified name by which a quote refers to an attestation key: Part 1, section "Qualified Names". Empty for a key of
 * another kind.
 */
export function attestationKeyName(key: KeyObject): Buffer {
  const { x, y, crv } = key.export({ format: 'jwk' });
  if (crv !== 'P-256' || x === undefined || y === undefined) return Buffer.alloc(0);
  const coordinates = [x, y].map((coordinate) => sized(Buffer.from(coordinate, 'base64url')));
  const name = digested(attestationKeyTemplate.subarray(0, uniqueAt), ...coordinates);
  return digested(u32(permanent.endorsement), name);
}

/** Returns a name: the algorithm of a digest, and the digest. */
function digested(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([u16(algorithms.sha256), createHash('sha256').update(Buffer.concat(parts)).digest()]);
}
