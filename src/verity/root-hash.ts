import * as z from 'zod';

/**
 * Root digest of a Merkle tree: SHA-256 in lower-case hex. A trusted root hash suffices to verify
 * every block of the image.
 */
export type RootHash = string & { readonly __brand: 'RootHash' };

export const rootHash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((text) => text as RootHash);
