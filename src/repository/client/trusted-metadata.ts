import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metadata, MetadataKind } from '@tufjs/models';
import { type Fetcher, type TargetFile, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { failure } from '../../base/errors.ts';
import { exists, makePrivateDirectory, readBounded, writeFileAtomic } from '../../base/files.ts';
import { withLock } from '../../base/lock.ts';
import { MiB } from '../../base/size.ts';
import { sha256Of, targetFilePath } from '../signed-metadata.ts';
import { sourceFailures } from '../source/errors.ts';
import type { Source } from '../source/source.ts';
import { refusalOf } from './errors.ts';

/** tuf-js asks for addresses; the part behind this is a path in the source. */
const addressBase = 'repository://source';

/** No metadata of ours, and none that tuf-js accepts, is larger. */
const metadataLimit = 8 * MiB;

/** A target, once verified, is held in memory: only small files are targets. */
const targetLimit = 64 * MiB;

export interface TrustedMetadata {
  /**
   * The bytes of a target, as they were signed.
   * @throws HoldfastError `repository.missing`, `repository.tampered`, and those of the source.
   */
  target(path: string): Promise<Buffer>;
}

/**
 * Brings the trusted metadata up to date and answers what it vouches for, by TUF's client workflow (specification 1.0,
 * section 5). tuf-js writes its files in place, so that a cut could leave half a root.json, which no later run could read:
 * it works on a copy, of which every file that it accepted is put in place whole.
 * @param directory where trusted metadata is kept. @param firstRoot what is trusted when there is none yet.
 * @param paths where metadata and targets lie in the source.
 * @throws HoldfastError `repository.untrusted` without any root; those of `refusalOf`, and those of the source.
 */
export async function refreshMetadata(
  source: Source,
  directory: string,
  firstRoot: string,
  signal: AbortSignal,
  paths = { metadata: 'metadata', targets: 'targets' },
): Promise<TrustedMetadata> {
  await makePrivateDirectory(directory);
  // what is trusted never becomes older, also when two ask
  return withLock(
    join(directory, '.lock'),
    'update check',
    () => refreshAlone(source, directory, firstRoot, signal, paths),
    { wait: true },
  );
}

async function refreshAlone(
  source: Source,
  directory: string,
  firstRoot: string,
  signal: AbortSignal,
  paths: { readonly metadata: string; readonly targets: string },
): Promise<TrustedMetadata> {
  await trustFirst(directory, firstRoot);
  const scratch = await mkdtemp(join(tmpdir(), 'holdfast-metadata-'));
  const fetcher = new SourceFetcher(source, signal);
  try {
    await cp(directory, scratch, { recursive: true });
    const updater = new Updater({
      metadataDir: scratch,
      metadataBaseUrl: `${addressBase}/${paths.metadata}`,
      fetcher,
    });
    try {
      await updater.refresh();
    } finally {
      await keepAccepted(scratch, directory);
    }
    const isConsistent = await usesConsistentSnapshots(directory);
    const place = (path: string, sha256: string) =>
      `${paths.targets}/${isConsistent ? targetFilePath(path, sha256) : path}`;
    return { target: (path) => fetchTarget(updater, source, path, place, signal) };
  } catch (error) {
    throw signal.aborted ? signal.reason : refusalOf(source.name, fetcher.failed ?? error);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function trustFirst(directory: string, firstRoot: string): Promise<void> {
  if (await exists(join(directory, 'root.json'))) return;
  if (!(await exists(firstRoot))) {
    throw failure('repository.untrusted', 'no repository can be trusted yet', {
      why: `${firstRoot} is missing`,
      next: 'put the root.json of the publisher there: it is in keys/repository of his HOLDFAST_HOME',
    });
  }
  await writeFileAtomic(join(directory, 'root.json'), await readBounded(firstRoot, metadataLimit));
}

/** Root first: what it signs is worth nothing without it. Also after a refusal: a verified newer root counts even then. */
async function keepAccepted(scratch: string, directory: string): Promise<void> {
  const names = (await readdir(scratch)).filter((name) => name.endsWith('.json'));
  for (const name of names.sort((a, b) => Number(b === 'root.json') - Number(a === 'root.json'))) {
    const bytes = await readBounded(join(scratch, name), metadataLimit);
    const kept = join(directory, name);
    const isSame = (await exists(kept)) && bytes.equals(await readBounded(kept, metadataLimit));
    if (!isSame) await writeFileAtomic(kept, bytes);
  }
}

/** What tuf-js may ask for: small files, bounded while they come. */
class SourceFetcher implements Fetcher {
  readonly #source: Source;
  readonly #signal: AbortSignal;
  /** Why the last file could not be had: tuf-js hands some errors on as text. */
  failed: unknown;

  constructor(source: Source, signal: AbortSignal) {
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
    // it takes this for "there is no newer root"
    if (/\/\d+\.root\.json$/.test(path)) throw new DownloadHTTPError('Failed to download', 404);
    this.failed = sourceFailures.missing(this.#source.name, path);
    throw this.failed;
  }

  downloadFile(): Promise<never> {
    return Promise.reject(new TypeError('targets are fetched by fetchTarget'));
  }
}

/** Whether files have their digest in their names (TUF specification 1.0, section 6.2): ours always, others' not. */
async function usesConsistentSnapshots(directory: string): Promise<boolean> {
  const bytes = await readBounded(join(directory, 'root.json'), metadataLimit);
  return Metadata.fromJSON(MetadataKind.Root, JSON.parse(bytes.toString())).signed.consistentSnapshot;
}

async function fetchTarget(
  updater: Updater,
  source: Source,
  path: string,
  placeOf: (path: string, sha256: string) => string,
  signal: AbortSignal,
): Promise<Buffer> {
  const info: TargetFile | undefined = await updater.getTargetInfo(path).catch((error: unknown) => {
    throw refusalOf(source.name, error);
  });
  const sha256 = info?.hashes.sha256;
  if (!info || sha256 === undefined) throw sourceFailures.missing(source.name, path);
  const place = placeOf(path, sha256);
  const bytes = await source.read(place, Math.min(info.length, targetLimit), signal);
  if (!bytes) throw sourceFailures.missing(source.name, place);
  if (bytes.length === info.length && sha256Of(bytes) === sha256) return bytes;
  throw failure('repository.tampered', `${source.name} sent something else than was signed`, {
    why: `${place} is not the file that the metadata names`,
    next: 'tell whoever publishes the repository; do not use it until it is mended',
  });
}
