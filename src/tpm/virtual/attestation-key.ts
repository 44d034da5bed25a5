import { createPublicKey } from 'node:crypto';
import { failure } from '../../base/errors.ts';
import type { Handle } from '../codec/handles.ts';
import { readBody, requests } from '../codec/requests.ts';
import type { Ask } from '../codec/response.ts';
import { returnedHandle } from '../codec/response.ts';
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

/** TPMT_PUBLIC (12.2.4). */
const template = Buffer.concat([
  ...[u16(algorithms.ecc), u16(algorithms.sha256), u32(attributes), sized()],
  u16(algorithms.none), // symmetric
  ...[u16(algorithms.ecdsa), u16(algorithms.sha256)],
  u16(p256),
  u16(algorithms.none), // key derivation
  ...[sized(), sized()],
]);

/**
 * Makes the key persistent in the TPM, and returns its public half: PEM.
 * @param ask a TPM that has had no other user, so that the key is known to be in it.
 * @throws HoldfastError `tpm.refused`, `tpm.malformed`, `tpm.key`.
 */
export async function makeAttestationKey(ask: Ask): Promise<string> {
  const made = await ask(requests.createEndorsementPrimary(template));
  const area = readBody(made, 'its attestation key', (reader) => {
    reader.u32(); // the handle
    reader.u32(); // the size of the parameters
    return reader.sized();
  });
  const handle = returnedHandle(made);
  readBody(await ask(requests.keep(handle, attestationKeyHandle)), 'a persistent attestation key', () => {});
  await ask(requests.flush(handle));
  return publicKeyPem(area);
}

function publicKeyPem(area: Buffer): string {
  const unique = template.length - 4; // up to there the public area is the template
  if (!area.subarray(0, unique).equals(template.subarray(0, unique))) {
    throw failure('tpm.key', 'the TPM created a key other than the requested one');
  }
  const reader = new Reader(area.subarray(unique));
  const coordinate = () => reader.sized().toString('base64url');
  const key = { kty: 'EC', crv: 'P-256', x: coordinate(), y: coordinate() };
  return createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
}
