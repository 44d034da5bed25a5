import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Key, Metadata, MetadataKind, Root } from '@tufjs/models';
import { describe, failure, isSystemError, misuse } from '../base/errors.ts';
import { makePrivateDirectory, readBounded, writeFileAtomic } from '../base/files.ts';
import { makeRoleKey, type RoleKey, readRoleKeys } from './role-keys.ts';
import { expiry, publishingRoles, type Role, roles, specificationVersion } from './roles.ts';

/** Limit for root metadata, the same as that of TUF clients. */
const rootLimit = 512_000;

/** The directories with the keys and root metadata of a publisher. */
export interface RepositoryKeys {
  /** HOLDFAST_HOME/keys/repository. */
  readonly directory: string;
  /** Directory of the root keys: a different one when they are stored offline. */
  readonly rootKeys: string;
}

/** Returns all versions of the root metadata, the oldest first. All of them are published. */
export async function rootVersions(directory: string): Promise<{ version: number; path: string }[]> {
  const names = await readdir(join(directory, 'metadata')).catch((error: unknown): string[] => {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  });
  return names
    .map((name) => ({ version: Number(/^(\d+)\.root\.json$/.exec(name)?.[1]), name }))
    .filter(({ version }) => version > 0)
    .sort((a, b) => a.version - b.version)
    .map(({ version, name }) => ({ version, path: join(directory, 'metadata', name) }));
}

/**
 * Returns the path of the root metadata for other hosts, with which they verify everything that
 * this publisher signs.
 */
export function trustedRootPath(directory: string): string {
  return join(directory, 'root.json');
}

/**
 * Generates the keys of all roles and the first root metadata.
 * @param threshold number of the `rootKeyCount` root keys that must sign.
 * @throws HoldfastError `repository.keys-exist`, `repository.threshold`.
 */
export async function initKeys(keys: RepositoryKeys, rootKeyCount: number, threshold: number): Promise<void> {
  if (threshold < 1 || threshold > rootKeyCount) {
    throw misuse('repository.threshold', `cannot require ${threshold} of ${rootKeyCount} root keys to sign`, {
      next: 'choose a threshold from 1 to the number of root keys',
    });
  }
  if ((await rootVersions(keys.directory)).length > 0) {
    throw failure('repository.keys-exist', 'cannot create the keys: this publisher already has keys', {
      why: `${keys.directory} contains root metadata`,
      next: 'change keys with `holdfast release keys rotate`: hosts that trust the old keys follow the change',
    });
  }
  await makePrivateDirectory(keys.directory);
  const rootKeys: RoleKey[] = [];
  for (let made = 0; made < rootKeyCount; made += 1) rootKeys.push(await makeRoleKey(keys.rootKeys, 'root'));
  const content: RootContent = { version: 1, keys: {}, roles: {} };
  setRole(content, 'root', rootKeys, threshold);
  for (const role of publishingRoles) setRole(content, role, [await makeRoleKey(keys.directory, role)], 1);
  await signRoot(keys, content, rootKeys);
}

/**
 * Replaces the keys of roles. Hosts that have the new root metadata no longer accept the old keys.
 * The root metadata is signed by the threshold of both the old and the new root keys (TUF
 * specification 1.0, section 5.3.4).
 * @throws HoldfastError `repository.keys`.
 */
export async function rotateKeys(keys: RepositoryKeys, rotated: readonly Role[]): Promise<number> {
  const old = await newestRoot(keys.directory);
  const signers = await readRoleKeys(keys.rootKeys, 'root');
  const next: RootContent = { version: old.version + 1, keys: {}, roles: {} };
  for (const role of roles) {
    const { keyIDs, threshold } = roleOf(old, role);
    if (!rotated.includes(role)) {
      for (const id of keyIDs) next.keys[id] = old.keys[id]?.toJSON() ?? {};
      next.roles[role] = { keyids: keyIDs, threshold };
      continue;
    }
    const directory = role === 'root' ? keys.rootKeys : keys.directory;
    const made: RoleKey[] = [];
    for (const _ of keyIDs) made.push(await makeRoleKey(directory, role));
    setRole(next, role, made, threshold);
    if (role === 'root') signers.push(...made);
  }
  const accepted = new Set([...roleOf(old, 'root').keyIDs, ...(next.roles.root?.keyids ?? [])]);
  const accepting = signers.filter(({ key }) => accepted.has(key.keyID));
  await signRoot(keys, next, accepting, old);
  return next.version;
}

/** Reads the newest root metadata of a publisher. @throws HoldfastError `repository.keys`. */
export async function newestRoot(directory: string): Promise<Root> {
  const newest = (await rootVersions(directory)).at(-1);
  if (newest) return readRoot(newest.path);
  throw failure('repository.keys', 'this publisher has no keys yet', {
    why: `${directory} contains no root metadata`,
    next: 'run `holdfast release keys init`',
  });
}

async function readRoot(path: string): Promise<Root> {
  const bytes = await readBounded(path, rootLimit);
  return Metadata.fromJSON(MetadataKind.Root, JSON.parse(bytes.toString())).signed;
}

/** The variable fields of root metadata (TUF specification 1.0, section 4.3). */
interface RootContent {
  readonly version: number;
  readonly keys: Record<string, ReturnType<Key['toJSON']>>;
  readonly roles: Partial<Record<Role, { readonly keyids: string[]; readonly threshold: number }>>;
}

function roleOf(root: Root, role: Role) {
  const entry = root.roles[role];
  if (!entry) throw new TypeError(`root metadata without ${role}`);
  return entry;
}

function setRole(content: RootContent, role: Role, keys: readonly RoleKey[], threshold: number): void {
  content.roles[role] = { keyids: keys.map(({ key }) => key.keyID), threshold };
  for (const { key } of keys) content.keys[key.keyID] = key.toJSON();
}

/**
 * Signs and writes root metadata. Writes the numbered file first, so that `root.json` is always a
 * copy of one.
 */
async function signRoot(
  keys: RepositoryKeys,
  content: RootContent,
  signers: readonly RoleKey[],
  old?: Root,
): Promise<void> {
  const root = Root.fromJSON({
    _type: 'root',
    spec_version: specificationVersion,
    expires: expiry('root', new Date()),
    consistent_snapshot: true,
    version: content.version,
    keys: content.keys,
    roles: content.roles,
  });
  const metadata = new Metadata(root);
  for (const signer of signers) metadata.sign((data) => signer.sign(data));
  requireSignatures(metadata, metadata);
  if (old) requireSignatures(new Metadata(old), metadata);
  const text = JSON.stringify(metadata.toJSON());
  const directory = join(keys.directory, 'metadata');
  await makePrivateDirectory(directory);
  await writeFileAtomic(join(directory, `${root.version}.root.json`), text);
  await writeFileAtomic(trustedRootPath(keys.directory), text);
}

/** @throws HoldfastError `repository.keys`. */
function requireSignatures(delegator: Metadata<Root>, metadata: Metadata<Root>): void {
  try {
    delegator.verifyDelegate(MetadataKind.Root, metadata);
  } catch (error) {
    throw failure('repository.keys', 'cannot sign the root metadata: too few root keys', {
      why: describe(error),
      next: 'collect the offline keys in one directory and name it with --offline',
      cause: error,
    });
  }
}
