import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Metadata, MetadataKind } from '@tufjs/models';
import { type Fetcher, type TargetFile, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { describe, failure } from '../../base/errors.ts';
import {
  exists,
  makePrivateDirectory,
  makeScratchDirectory,
  readBounded,
  writeFileAtomic,
} from '../../base/files.ts';
import { withLock } from '../../base/lock.ts';
import { openRegular } from '../../base/regular-file.ts';
import { KiB, MiB } from '../../base/size.ts';
import { sha256Of, targetFilePath } from '../signed-metadata.ts';
import { sourceErrors } from '../source/errors.ts';
import type { RepositorySource } from '../source/source.ts';
import { repositoryError } from './errors.ts';

/** Prefix of the addresses that tuf-js requests; the rest is a path in the source. */
const addressBase = 'repository://source';

/** Limit for metadata; neither Holdfast's nor any that tuf-js accepts is larger. */
const metadataLimit = 8 * MiB;

/** Limit for root metadata, which is parsed before any signature is verified: the library takes a minute for 500 kB of keys. */
const rootLimit = 64 * KiB;

/** Limit for targets, which are small files and held in memory. */
const targetLimit = 64 * MiB;

export interface TrustedMetadata {
  /**
   * Fetches a target and verifies it against its signed digest.
   * @throws HoldfastError `repository.missing`, `repository.tampered`, and those of the source.
   */
  target(path: string): Promise<Buffer>;
}

/**
 * Updates the trusted metadata with TUF's client workflow (specification 1.0, section 5). tuf-js
 * writes its files in place, so an interruption could leave a truncated root.json that no later run
 * can read. Therefore it works on a copy, and every file that it accepted is then stored
 * atomically.
 * @param directory directory of the trusted metadata.
 * @param firstRoot root metadata that is trusted when there is none yet.
 * @param paths directories of metadata and targets in the source.
 * @throws HoldfastError `repository.untrusted` without any root, `repository.trust` with a damaged one;
 *   those of `repositoryError`, and those of the source.
 */
export async function refreshMetadata(
  source: RepositorySource,
  directory: string,
  firstRoot: string,
  signal: AbortSignal,
  paths = { metadata: 'metadata', targets: 'targets' },
): Promise<TrustedMetadata> {
  await makePrivateDirectory(directory);
  // the lock keeps concurrent updates from replacing trusted metadata with older metadata
  return withLock(
    join(directory, '.lock'),
    'update check',
    () => refreshAlone(source, directory, firstRoot, signal, paths),
    { wait: true },
  );
}

async function refreshAlone(
  source: RepositorySource,
  directory: string,
  firstRoot: string,
  signal: AbortSignal,
  paths: { readonly metadata: string; readonly targets: string },
): Promise<TrustedMetadata> {
  await trustFirst(directory, firstRoot);
  const scratch = await makeScratchDirectory('holdfast-metadata-');
  const fetcher = new SourceFetcher(source, signal);
  try {
    await cp(directory, scratch, { recursive: true });
    const updater = new Updater({
      metadataDir: scratch,
      metadataBaseUrl: `${addressBase}/${paths.metadata}`,
      fetcher,
      config: { rootMaxLength: rootLimit },
    });
    try {
      await updater.refresh();
    } finally {
      await storeAccepted(scratch, directory);
    }
    const isConsistent = await usesConsistentSnapshots(directory);
    const place = (path: string, sha256: string) =>
      `${paths.targets}/${isConsistent ? targetFilePath(path, sha256) : path}`;
    return { target: (path) => fetchTarget(updater, source, path, place, signal) };
  } catch (error) {
    throw signal.aborted ? signal.reason : repositoryError(source.name, fetcher.failed ?? error);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function trustFirst(directory: string, firstRoot: string): Promise<void> {
  const trusted = join(directory, 'root.json');
  if (await exists(trusted)) {
    await readRoot(trusted, `remove it: the next update starts again from ${firstRoot}`);
    return;
  }
  if (!(await exists(firstRoot))) {
    throw failure('repository.untrusted', 'this host does not trust any repository yet', {
      why: `${firstRoot} is missing`,
      next: "copy the publisher's root.json there, from keys/repository of the publisher's HOLDFAST_HOME",
    });
  }
  const bytes = await readRoot(firstRoot, "copy the publisher's root.json there again");
  await writeFileAtomic(trusted, bytes);
}

/**
 * Reads root metadata of this host, which must be signed by its own keys (TUF specification 1.0, section 5.3.4).
 * @throws HoldfastError `repository.trust` when it is damaged.
 */
async function readRoot(path: string, next: string): Promise<Buffer> {
  try {
    const file = await openRegular(path);
    try {
      const { size } = await file.stat();
      if (size > rootLimit) throw new RangeError(`it has ${size} bytes, the limit is ${rootLimit}`);
      const bytes = await file.readFile();
      const root = Metadata.fromJSON(MetadataKind.Root, JSON.parse(bytes.toString()));
      root.verifyDelegate('root', root);
      return bytes;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw failure('repository.trust', 'the metadata that this host trusts is damaged', {
      why: `${path}: ${describe(error)}`,
      next,
      cause: error,
    });
  }
}

/**
 * Stores the accepted metadata, root first: the other roles cannot be verified without it. Called
 * also when the repository is rejected, because a verified newer root is valid even then.
 */
async function storeAccepted(scratch: string, directory: string): Promise<void> {
  const names = (await readdir(scratch)).filter((name) => name.endsWith('.json'));
  for (const name of names.sort((a, b) => Number(b === 'root.json') - Number(a === 'root.json'))) {
    const bytes = await readBounded(join(scratch, name), metadataLimit);
    const stored = join(directory, name);
    const isSame = (await exists(stored)) && bytes.equals(await readBounded(stored, metadataLimit));
    if (!isSame) await writeFileAtomic(stored, bytes);
  }
}

/** Fetches metadata for tuf-js, with a limit that is enforced while data arrives. */
class SourceFetcher implements Fetcher {
  readonly #source: RepositorySource;
  readonly #signal: AbortSignal;
  /** The error of the last request. Kept here because tuf-js passes some errors on as text only. */
  failed: unknown;

  constructor(source: RepositorySource, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  async downloadBytes(address: string, maximum: number): Promise<Buffer> {
    const path = decodeURI(address.slice(addressBase.length + 1));
    try {
      const bytes = await this.#source.read(path, Math.min(maximum, metadataLimit), this.#signal);
      if (bytes) return bytes;
    } catch (error) {
      this.failed = error;
      throw error;
    }
    // tuf-js takes this status as "there is no newer root"
    if (/\/\d+\.root\.json$/.test(path)) throw new DownloadHTTPError('Failed to download', 404);
    const { name } = this.#source;
    // nothing that is signed has named it yet
    const isFirst = path.endsWith('/timestamp.json');
    this.failed = isFirst ? sourceErrors.noRepository(name, path) : sourceErrors.missing(name, path);
    throw this.failed;
  }

  downloadFile(): Promise<never> {
    return Promise.reject(new TypeError('targets are fetched by fetchTarget'));
  }
}

/**
 * Returns whether file names include digests (TUF specification 1.0, section 6.2). Holdfast's
 * repositories always do.
 */
async function usesConsistentSnapshots(directory: string): Promise<boolean> {
  const bytes = await readBounded(join(directory, 'root.json'), metadataLimit);
  return Metadata.fromJSON(MetadataKind.Root, JSON.parse(bytes.toString())).signed.consistentSnapshot;
}

async function fetchTarget(
  updater: Updater,
  source: RepositorySource,
  path: string,
  placeOf: (path: string, sha256: string) => string,
  signal: AbortSignal,
): Promise<Buffer> {
  const info: TargetFile | undefined = await updater.getTargetInfo(path).catch((error: unknown) => {
    throw repositoryError(source.name, error);
  });
  const sha256 = info?.hashes.sha256;
  if (!info || sha256 === undefined) throw sourceErrors.missing(source.name, path);
  const place = placeOf(path, sha256);
  const bytes = await source.read(place, Math.min(info.length, targetLimit), signal);
  if (!bytes) throw sourceErrors.missing(source.name, place);
  if (bytes.length === info.length && sha256Of(bytes) === sha256) return bytes;
  throw failure('repository.tampered', `${source.name} sent data that differs from what was signed`, {
    why: `${place} does not match its signed digest or length`,
    next: 'report this to the publisher; do not use the repository until it is fixed',
  });
}
