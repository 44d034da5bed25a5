import type { Handle } from '../codec/handles.ts';
import { sized, u16, u32 } from '../codec/wire.ts';

/** The handle of the storage root key, which systemd uses if it is there: TCG TPM v2.0 Provisioning Guidance, section 7.8. */
export const storageKeyHandle = 0x8100_0001 as Handle;

/**
 * TPMT_PUBLIC of the storage root key that systemd-cryptenroll and others make: Provisioning Guidance, table 4 (ECC P-256).
 * The host makes it, so that the guest can seal data and make keys below it without the authorization of the owner.
 */
export const storageKeyTemplate = Buffer.concat([
  u16(0x0023), // type: ECC
  u16(0x000b), // name: SHA-256
  u32(0x0003_0472), // a restricted decryption key of this TPM, without an authorization that could be guessed
  sized(), // no policy
  ...[u16(0x0006), u16(128), u16(0x0043)], // AES 128, CFB
  u16(0x0010), // no scheme
  u16(0x0003), // P-256
  u16(0x0010), // no key derivation
  ...[sized(), sized()],
]);
