/** A GUID in its text form, lower case: `aaf32c78-947b-439a-a180-2e144ec37792`. */
export type Guid = string & { readonly __brand: 'Guid' };

/** Bytes that a GUID takes in firmware structures and partition tables. */
export const guidSize = 16;

const form = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/;

/**
 * Brands a GUID from the source code or from `randomUUID`.
 * @throws TypeError for anything else: that is a bug.
 */
export function guid(text: string): Guid {
  if (!form.test(text)) throw new TypeError(`not a GUID in lower case: ${text}`);
  return text as Guid;
}

/**
 * Encodes an EFI_GUID: the first three fields are little-endian (UEFI specification 2.10, appendix
 * A).
 */
export function guidToBytes(value: Guid): Buffer {
  const bytes = Buffer.from(value.replaceAll('-', ''), 'hex');
  return swapFields(bytes);
}

/** Decodes the GUID at `offset`. The caller has checked that 16 bytes follow. */
export function guidFromBytes(bytes: Buffer, offset = 0): Guid {
  const hex = swapFields(Buffer.from(bytes.subarray(offset, offset + guidSize))).toString('hex');
  return guid(hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
}

function swapFields(bytes: Buffer): Buffer {
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
