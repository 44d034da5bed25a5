import { createHash, type KeyObject, verify } from 'node:crypto';
import { failure } from '../base/errors.ts';
import { Reader, Truncated } from '../tpm/codec/wire.ts';
import { attestationKeyName } from '../tpm/virtual/attestation-key.ts';

/** A TPM's signed statement of its registers. */
export interface Quote {
  /** Nonce of the request, which proves that the signature is newer than the request. */
  readonly nonce: Buffer;
  /** The registers, in order. */
  readonly pcrs: readonly number[];
  /** SHA-256 of their concatenated values. */
  readonly digest: Buffer;
}

/** TCG TPM 2.0 Library Part 2: TPM_GENERATED_VALUE, TPM_ST_ATTEST_QUOTE (6.2, 6.9), TPM_ALG_ID (6.3). */
const generated = 0xff54_4347;
const attestQuote = 0x8018;
const algorithms = { sha256: 0x000b, ecdsa: 0x0018 } as const;

/** TPMS_CLOCK_INFO (10.11.1) and the firmware's version. */
const clockAndFirmware = 17 + 8;

/**
 * Parses a quote and verifies its signature. A restricted key signs external data only if it does not begin with
 * TPM_GENERATED_VALUE: Part 1, section "Restricted signing".
 * @param attest TPMS_ATTEST. @param signature TPMT_SIGNATURE.
 * @throws HoldfastError `tpm.quote` when it is no quote of SHA-256 registers, or another key signed it.
 */
export function readQuote(attest: Buffer, signature: Buffer, key: KeyObject): Quote {
  if (!isSigned(attest, signature, key))
    throw unfit(`it is not signed by the attestation key of this machine${otherSigner(attest, key)}`);
  return whole(attest, (reader) => {
    if (reader.u32() !== generated || reader.u16() !== attestQuote)
      throw unfit('it is something else that a TPM signed');
    reader.sized(); // the signer's name
    const nonce = reader.sized();
    reader.take(clockAndFirmware);
    return { nonce, pcrs: readSelection(reader), digest: reader.sized() };
  });
}

/** Returns the digest that a quote has of these values. */
export function digestOfPcrs(values: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(values)).digest();
}

/** Explains an invalid signature of a quote that names another key as its signer, which nothing proves. */
function otherSigner(attest: Buffer, key: KeyObject): string {
  const named = whole(attest, (reader) => {
    reader.take(6); // TPM_GENERATED_VALUE, and the type of statement
    const signer = reader.sized();
    reader.rest();
    return signer;
  });
  if (named.equals(attestationKeyName(key))) return '';
  return ', but by another TPM, or after its key was recorded again (`holdfast attest enrol`): only in that case export the trust file again';
}

/** Verifies TPMT_SIGNATURE (11.3.4) with ECDSA, whose two numbers may be shorter than the curve. */
function isSigned(attest: Buffer, signature: Buffer, key: KeyObject): boolean {
  return whole(signature, (reader) => {
    if (reader.u16() !== algorithms.ecdsa || reader.u16() !== algorithms.sha256)
      throw unfit('it is not signed with ECDSA and SHA-256');
    const numbers = Buffer.concat([padded(reader.sized()), padded(reader.sized())]);
    return verify('sha256', attest, { key, dsaEncoding: 'ieee-p1363' }, numbers);
  });
}

/** Reads TPML_PCR_SELECTION (10.9.7) with one bank. */
function readSelection(reader: Reader): number[] {
  if (reader.u32() !== 1 || reader.u16() !== algorithms.sha256)
    throw unfit('it is not about the SHA-256 registers alone');
  const bits = reader.take(reader.u8());
  return Array.from({ length: bits.length * 8 }, (_, pcr) => pcr).filter(
    (pcr) => ((bits[pcr >> 3] ?? 0) >> (pcr & 7)) & 1,
  );
}

function padded(number: Buffer): Buffer {
  if (number.length > 32) throw unfit('its signature is too long');
  return Buffer.concat([Buffer.alloc(32 - number.length), number]);
}

function whole<T>(bytes: Buffer, work: (reader: Reader) => T): T {
  const reader = new Reader(bytes);
  try {
    const result = work(reader);
    if (reader.left > 0) throw unfit(`${reader.left} bytes too many`);
    return result;
  } catch (error) {
    if (error instanceof Truncated) throw unfit(error.message);
    throw error;
  }
}

function unfit(why: string) {
  return failure('tpm.quote', 'cannot trust the quote', { why });
}
