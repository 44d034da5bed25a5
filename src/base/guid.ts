/** A GUID in its text form, lower case: `aaf32c78-947b-439a-a180-2e144ec37792`. */
export type Guid = string & { readonly __brand: 'Guid' };

/** Bytes of a GUID in firmware structures and partition tables. */
export const guidSize = 16;

const form = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/;

/** Names a GUID that stands in the source, or that was made by `randomUUID`: a wrong one is a mistake of ours. */
export function guid(text: string): Guid {
  if (!form.test(text)) throw new TypeError(`not a GUID in lower case: ${text}`);
  return text as Guid;
}

/** EFI_GUID: the first three fields are little-endian, the rest is as written (UEFI specification 2.10, appendix A). */
export function guidToBytes(value: Guid): Buffer {
  const bytes = Buffer.from(value.replaceAll('-', ''), 'hex');
  return swapFields(bytes);
}

/** The GUID at `offset`; the caller has checked that its 16 bytes are there. */
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
