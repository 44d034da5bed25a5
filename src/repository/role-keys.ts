import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalize } from '@tufjs/canonical-json';
import { Key, Signature } from '@tufjs/models';
import { failure, isSystemError } from '../base/errors.ts';
import { makePrivateDirectory, readBounded, writeFileAtomic } from '../base/files.ts';
import { requireOwnPath } from '../base/own-path.ts';
import type { Role } from './roles.ts';

/** An Ed25519 private key of a role. */
export interface RoleKey {
  readonly key: Key;
  sign(data: Buffer): Signature;
}

/** Limit for a key file; a PEM file of an Ed25519 key is much smaller. */
const keyFileLimit = 4096;

/**
 * Generates a key and stores it as PEM with mode 0600 in `directory`/`role`/, named by its
 * identifier.
 */
export async function makeRoleKey(directory: string, role: Role): Promise<RoleKey> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const made = roleKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  await makePrivateDirectory(join(directory, role));
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  await writeFileAtomic(join(directory, role, `${made.key.keyID}.pem`), pem, 0o600);
  return made;
}

/**
 * Reads all private keys of a role in `directory`, including those from before a rotation.
 * @throws HoldfastError `repository.keys` when there are none, `file.exposed` when another user could have put one there.
 */
export async function readRoleKeys(directory: string, role: Role): Promise<RoleKey[]> {
  const names = await readdir(join(directory, role)).catch((error: unknown): string[] => {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  });
  const keys: RoleKey[] = [];
  for (const name of names.filter((each) => each.endsWith('.pem')).sort()) {
    const path = join(directory, role, name);
    await requireOwnPath(path);
    keys.push(roleKey((await readBounded(path, keyFileLimit)).toString()));
  }
  if (keys.length > 0) return keys;
  throw failure('repository.keys', `cannot sign: no ${role} key found`, {
    why: `${join(directory, role)} contains no key`,
    next:
      role === 'root'
        ? 'name the directory of the offline keys with --offline'
        : 'run `holdfast release keys init`',
  });
}

function roleKey(pem: string): RoleKey {
  const privateKey = createPrivateKey(pem);
  // A SubjectPublicKeyInfo of Ed25519 ends with the 32 bytes of the key (RFC 8410, section 4)
  const der = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const content = {
    keytype: 'ed25519',
    scheme: 'ed25519',
    keyval: { public: der.subarray(-32).toString('hex') },
  };
  const keyID = createHash('sha256').update(canonicalize(content)).digest('hex');
  return {
    key: Key.fromJSON(keyID, content),
    sign: (data) => new Signature({ keyID, sig: sign(null, data, privateKey).toString('hex') }),
  };
}
