import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import { isSystemError } from '../../base/errors.ts';
import { readBounded, writeFileAtomic } from '../../base/files.ts';
import type { GuardedHierarchy } from '../codec/hierarchy-requests.ts';

const hierarchies = ['lockout', 'owner', 'endorsement'] as const satisfies readonly GuardedHierarchy[];

const secret = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((text): Buffer => Buffer.from(text, 'hex'));

const file = z.strictObject({
  format: z.literal(1),
  lockout: secret,
  owner: secret,
  endorsement: secret,
  /** Hierarchies that had another authorization when the host last looked. */
  foreign: z.array(z.enum(hierarchies)),
});

/** The authorizations that the host gave a machine's TPM, so that the guest cannot change what is the host's in it. */
export type Authorizations = Readonly<z.output<typeof file>>;

/** Makes authorizations. A TPM ignores zeros at the end of one, so there are none. */
export function makeAuthorizations(): Authorizations {
  const one = () => Buffer.concat([randomBytes(31), Buffer.of(1 + ((randomBytes(1)[0] ?? 0) % 255))]);
  return { format: 1, lockout: one(), owner: one(), endorsement: one(), foreign: [] };
}

/** Returns the saved authorizations; `none` before they were made, and `damaged` when the file cannot be parsed. */
export async function readAuthorizations(directory: string): Promise<Authorizations | 'none' | 'damaged'> {
  try {
    const parsed = file.safeParse(JSON.parse((await readBounded(pathIn(directory), 4096)).toString('utf8')));
    return parsed.data ?? 'damaged';
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return 'none';
    if (error instanceof SyntaxError) return 'damaged';
    throw error;
  }
}

/** Saves the authorizations, for their owner only. They are saved before the TPM gets them. */
export async function saveAuthorizations(directory: string, saved: Authorizations): Promise<void> {
  const text = (value: Buffer) => value.toString('hex');
  const { lockout, owner, endorsement, ...others } = saved;
  const written: z.input<typeof file> = {
    ...others,
    foreign: [...others.foreign],
    ...{ lockout: text(lockout), owner: text(owner), endorsement: text(endorsement) },
  };
  await writeFileAtomic(pathIn(directory), `${JSON.stringify(written, null, 1)}\n`, 0o600);
}

function pathIn(directory: string): string {
  return join(directory, 'authorizations.json');
}
