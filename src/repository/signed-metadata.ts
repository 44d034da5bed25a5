import { createHash } from 'node:crypto';
import { Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models';
import { type RoleKey, readRoleKeys } from './role-keys.ts';
import { expiry, type publishingRoles, type Role, specificationVersion } from './roles.ts';
import { newestRoot } from './root-metadata.ts';

/** The keys that sign at each publication. */
export type PublishingKeys = Readonly<Record<(typeof publishingRoles)[number], readonly RoleKey[]>>;

/**
 * Reads the keys that the newest root metadata lists, not those from before a rotation.
 * @throws HoldfastError `repository.keys`.
 */
export async function readPublishingKeys(directory: string): Promise<PublishingKeys> {
  const root = await newestRoot(directory);
  const keysOf = async (role: keyof PublishingKeys) => {
    const keys = await readRoleKeys(directory, role);
    return keys.filter(({ key }) => root.roles[role]?.keyIDs.includes(key.keyID));
  };
  const [targets, snapshot, timestamp] = [
    await keysOf('targets'),
    await keysOf('snapshot'),
    await keysOf('timestamp'),
  ];
  return { targets, snapshot, timestamp };
}

/** A small file of a repository, with its path below `targets/`. */
export interface Target {
  readonly path: string;
  readonly bytes: Buffer;
}

/** A signed file to be written below `metadata/`. */
export interface MetadataFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * Signs the content of a repository. Write the files in the returned order: the last one makes the
 * others effective. Versions are seconds since 1970, or the last version plus one. Bundles and
 * repositories of one publisher therefore never look rolled back, in whatever order they were made.
 * @param lastVersion version of the newest previous metadata; 0 for the first publication.
 */
export function signMetadata(
  targets: readonly Target[],
  keys: PublishingKeys,
  lastVersion: number,
  now = new Date(),
): readonly MetadataFile[] {
  const version = Math.max(lastVersion + 1, Math.floor(now.getTime() / 1000));
  const common = (role: Role) => ({
    version,
    specVersion: specificationVersion,
    expires: expiry(role, now),
  });
  const entries = targets.map(({ path, bytes }) => {
    const entry = new TargetFile({ path, length: bytes.length, hashes: { sha256: sha256Of(bytes) } });
    return [path, entry] as const;
  });
  const targetsBytes = signed(
    new Metadata(new Targets({ ...common('targets'), targets: Object.fromEntries(entries) })),
    keys.targets,
  );
  const snapshot = new Snapshot({
    ...common('snapshot'),
    meta: { 'targets.json': metaFile(version, targetsBytes) },
  });
  const snapshotBytes = signed(new Metadata(snapshot), keys.snapshot);
  const timestamp = new Timestamp({
    ...common('timestamp'),
    snapshotMeta: metaFile(version, snapshotBytes),
  });
  return [
    { name: `${version}.targets.json`, bytes: targetsBytes },
    { name: `${version}.snapshot.json`, bytes: snapshotBytes },
    { name: 'timestamp.json', bytes: signed(new Metadata(timestamp), keys.timestamp) },
  ];
}

/**
 * Returns the path of a target below `targets/` as clients request it (TUF specification 1.0,
 * section 6.2).
 */
export function targetFilePath(path: string, sha256: string): string {
  const at = path.lastIndexOf('/') + 1;
  return `${path.slice(0, at)}${sha256}.${path.slice(at)}`;
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function metaFile(version: number, bytes: Buffer): MetaFile {
  return new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256Of(bytes) } });
}

function signed(metadata: Metadata<Targets | Snapshot | Timestamp>, keys: readonly RoleKey[]): Buffer {
  for (const key of keys) metadata.sign((data) => key.sign(data));
  return Buffer.from(JSON.stringify(metadata.toJSON()));
}
