/** A TPM handle: TCG TPM 2.0 Library Part 2, section 7. Branded: it is neither a size nor a code. */
export type Handle = number & { readonly __brand: 'Handle' };

/** Permanent handles: Part 2, section 7.4. Those of the platform and of the lockout are here only to be denied. */
export const permanent = {
  owner: 0x4000_0001 as Handle,
  null: 0x4000_0007 as Handle,
  password: 0x4000_0009 as Handle,
  lockout: 0x4000_000a as Handle,
  endorsement: 0x4000_000b as Handle,
  platform: 0x4000_000c as Handle,
} as const;

/** The types of handles, by the most significant byte: Part 2, section 7.2. */
const types = {
  pcr: 0x00,
  index: 0x01,
  hmacSession: 0x02,
  policySession: 0x03,
  permanent: 0x40,
  transient: 0x80,
  persistent: 0x81,
} as const;

export type HandleType = keyof typeof types | 'unknown';

const typeOfByte: ReadonlyMap<number, HandleType> = new Map(
  Object.entries(types).map(([name, byte]) => [byte, name as HandleType]),
);

export function handleType(handle: number): HandleType {
  return typeOfByte.get(handle >>> 24) ?? 'unknown';
}

export function isSession(handle: number): boolean {
  return ['hmacSession', 'policySession'].includes(handleType(handle));
}

export function isTransient(handle: number): boolean {
  return handleType(handle) === 'transient';
}

export function formatHandle(handle: number): string {
  return `0x${handle.toString(16).padStart(8, '0')}`;
}
