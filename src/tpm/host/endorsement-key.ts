import { createHash, createPublicKey } from 'node:crypto';
import { failure } from '../../base/errors.ts';
import { type Handle, permanent } from '../codec/handles.ts';
import { hierarchyRequests } from '../codec/hierarchy-requests.ts';
import { readBody, requests } from '../codec/requests.ts';
import type { Ask } from '../codec/response.ts';
import { isSuccess, returnedHandle } from '../codec/response.ts';
import { Reader, sized, u16, u32 } from '../codec/wire.ts';

/** The public part of an endorsement key, in the forms that provisioning services take. */
export interface EndorsementKey {
  readonly pem: string;
  /** TPM2B_PUBLIC, with its size in front: the file that `tpm2_createek --public` writes. */
  readonly tpm2b: Buffer;
  /** Lower-case hex SHA-256 of the public area (TPMT_PUBLIC): TPM2B_PUBLIC without its size. */
  readonly registrationId: string;
}

/** The persistent handle of an RSA 2048 endorsement key: TCG EK Credential Profile for TPM 2.0. */
const keptAt = 0x8101_0001 as Handle;

/** SHA-256 of PolicySecret(TPM_RH_ENDORSEMENT): TCG EK Credential Profile, section B.3.3. */
const policy = Buffer.from('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa', 'hex');

/** Template L-1, RSA 2048: TCG EK Credential Profile, section B.3.3. */
const template = Buffer.concat([
  u16(0x0001), // type: RSA
  u16(0x000b), // name: SHA-256
  u32(0x0003_00b2), // restricted decryption key of this TPM; a policy governs its use
  sized(policy),
  ...[u16(0x0006), u16(128), u16(0x0043)], // AES 128, CFB
  u16(0x0010), // no scheme
  u16(2048),
  u32(0), // the default exponent
  sized(Buffer.alloc(256)),
]);

/**
 * Returns the persistent endorsement key, or one that the TPM derives from its seed, the same each time.
 * @throws HoldfastError `tpm.refused`, for example when the endorsement hierarchy has a password; `tpm.key`.
 */
export async function readEndorsementKey(ask: Ask): Promise<EndorsementKey> {
  const kept = await ask(requests.readPublic(keptAt));
  if (isSuccess(kept)) return describe(readBody(kept, 'its endorsement key', (reader) => reader.sized()));
  const made = await ask(hierarchyRequests.createPrimary(permanent.endorsement, template));
  const area = readBody(made, 'its endorsement key', (reader) => {
    reader.u32(); // the handle
    reader.u32(); // the size of the parameters
    return reader.sized();
  });
  await ask(requests.flush(returnedHandle(made)));
  return describe(area);
}

function describe(area: Buffer): EndorsementKey {
  return {
    pem: publicKeyPem(area),
    tpm2b: sized(area),
    registrationId: createHash('sha256').update(area).digest('hex'),
  };
}

const algorithms = { rsa: 0x0001, none: 0x0010 } as const;

/** Converts TPMT_PUBLIC of an RSA decryption key to PEM: TCG TPM 2.0 Library Part 2, section 12.2. */
function publicKeyPem(area: Buffer): string {
  const reader = new Reader(area);
  if (reader.u16() !== algorithms.rsa) {
    throw failure('tpm.key', 'cannot use the endorsement key', { why: 'only RSA is supported' });
  }
  reader.u16(); // the name's hash algorithm
  reader.u32(); // attributes
  reader.sized(); // policy
  if (reader.u16() !== algorithms.none) reader.take(4); // symmetric: key size and mode
  if (reader.u16() !== algorithms.none) reader.take(2); // scheme: its hash
  reader.u16(); // key size
  const exponent = reader.u32() || 0x1_0001;
  const modulus = reader.sized();
  const key = { kty: 'RSA', n: modulus.toString('base64url'), e: u32(exponent).toString('base64url') };
  return createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
}
