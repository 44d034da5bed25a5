import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Metadata, MetadataKind } from '@tufjs/models';
import { type TargetFile, Updater } from 'tuf-js';
import { exists, makePrivateDirectory, readBounded, writeFileAtomic } from '../../base/files.ts';
import { withLock } from '../../base/lock.ts';
import { MiB } from '../../base/size.ts';
import { targetFilePath } from '../signed-metadata.ts';
import { sourceErrors } from '../source/errors.ts';
import type { RepositorySource } from '../source/source.ts';
import { repositoryError } from './errors.ts';
import { addressBase, metadataLimit, SourceFetcher } from './source-fetcher.ts';
import { trustFirst, usesConsistentSnapshots } from './trusted-root.ts';

/** Limit for targets, which are held in memory. */
const targetLimit = 64 * MiB;

/** Limit for the versions of root metadata that are followed in one run. */
const rootRotationLimit = 10_000;

export interface TrustedMetadata {
  /** Version of the timestamp metadata: seconds since 1970 in Holdfast's repositories. */
  readonly version: number;
  /**
   * Fetches a target and verifies it against its signed digest.
   * @param known content from before, returned without a request if it is what is signed now.
   * @throws HoldfastError `repository.missing`, `repository.tampered`, and those of the source.
   */
  target(path: string, known?: Buffer): Promise<Buffer>;
}

/** Where a host stores trusted metadata, and where a source has its files. */
interface Place {
  readonly source: RepositorySource;
  readonly directory: string;
  readonly paths: { readonly metadata: string; readonly targets: string };
  readonly signal: AbortSignal;
}

/**
 * Updates the trusted metadata with TUF's client workflow (specification 1.0, section 5).
 * @param directory directory of the trusted metadata.
 * @param firstRoot root metadata that is trusted when there is none yet.
 * @param paths directories of metadata and targets in the source.
 * @throws HoldfastError those of `trustFirst` and `repositoryError`, and those of the source.
 */
export async function refreshMetadata(
  source: RepositorySource,
  directory: string,
  firstRoot: string,
  signal: AbortSignal,
  paths = { metadata: 'metadata', targets: 'targets' },
): Promise<TrustedMetadata> {
  await makePrivateDirectory(directory);
  const place = { source, directory, paths, signal };
  return withTrusted(directory, async () => {
    await trustFirst(directory, firstRoot);
    await withUpdater(place, { forceCache: false }, (updater) => updater.refresh());
    const bytes = await readBounded(join(directory, 'timestamp.json'), metadataLimit);
    const { version } = Metadata.fromJSON(MetadataKind.Timestamp, JSON.parse(bytes.toString())).signed;
    return { version, target: (path, known) => fetchTarget(place, path, known) };
  });
}

/** Runs `work` with a lock that keeps concurrent updates from replacing trusted metadata with older metadata. */
function withTrusted<T>(directory: string, work: () => Promise<T>): Promise<T> {
  return withLock(join(directory, '.lock'), 'update check', work, { wait: true });
}

/**
 * Runs a step of the workflow. tuf-js writes its files in place, so an interruption could leave a
 * truncated root.json that no later run can read. Therefore it works on a copy, and every file that
 * it accepted is then stored atomically. Requires `withTrusted`.
 * @param options.forceCache whether to start from the trusted metadata without asking for newer.
 */
async function withUpdater<T>(
  { source, directory, paths, signal }: Place,
  options: { readonly forceCache: boolean },
  work: (updater: Updater) => Promise<T>,
): Promise<T> {
  const scratch = join(directory, '.scratch');
  const fetcher = new SourceFetcher(source, signal);
  await rm(scratch, { recursive: true, force: true }); // of a process that was killed
  await mkdir(scratch, { mode: 0o700 });
  try {
    for (const name of await metadataIn(directory)) await cp(join(directory, name), join(scratch, name));
    const updater = new Updater({
      metadataDir: scratch,
      metadataBaseUrl: `${addressBase}/${paths.metadata}`,
      fetcher,
      config: { rootMaxLength: metadataLimit, maxRootRotations: rootRotationLimit },
      ...options,
    });
    try {
      return await work(updater);
    } finally {
      await storeAccepted(scratch, directory);
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : repositoryError(source.name, fetcher.failed ?? error);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function metadataIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.json'));
}

/**
 * Stores the accepted metadata, root first: the other roles cannot be verified without it. Called
 * also when the repository is rejected, because a verified newer root is valid even then.
 */
async function storeAccepted(scratch: string, directory: string): Promise<void> {
  const names = await metadataIn(scratch);
  for (const name of names.sort((a, b) => Number(b === 'root.json') - Number(a === 'root.json'))) {
    const bytes = await readBounded(join(scratch, name), metadataLimit);
    const stored = join(directory, name);
    const isSame = (await exists(stored)) && bytes.equals(await readBounded(stored, metadataLimit));
    if (!isSame) await writeFileAtomic(stored, bytes);
  }
}

async function fetchTarget(place: Place, path: string, known: Buffer | undefined): Promise<Buffer> {
  const { source, directory, paths, signal } = place;
  // its own updater for each target: one would not verify a delegated role again that another delegator trusts
  const info = await withTrusted(directory, () =>
    withUpdater(place, { forceCache: true }, (updater) => updater.getTargetInfo(path)),
  );
  const digest = info?.hashes.sha256 ?? info?.hashes.sha512;
  if (!info || digest === undefined) throw sourceErrors.missing(source.name, path);
  if (known && (await isSigned(info, known))) return known;
  const isConsistent = await usesConsistentSnapshots(directory);
  const at = `${paths.targets}/${isConsistent ? targetFilePath(path, digest) : path}`;
  const bytes = await source.read(at, Math.min(info.length, targetLimit), signal);
  if (!bytes) throw sourceErrors.missing(source.name, at);
  if (await isSigned(info, bytes)) return bytes;
  throw sourceErrors.tampered(source.name, at);
}

/** Verifies length and every digest. */
function isSigned(info: TargetFile, bytes: Buffer): Promise<boolean> {
  return info.verify(Readable.from([bytes])).then(
    () => true,
    () => false,
  );
}
