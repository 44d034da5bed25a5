import { z } from 'zod';

/** Digest of the top of a Merkle tree: lower-case hex SHA-256. Who trusts it can check every block of the image. */
export type RootHash = string & { readonly __brand: 'RootHash' };

export const rootHash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((text) => text as RootHash);
