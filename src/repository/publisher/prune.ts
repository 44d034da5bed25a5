import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError, misuse } from '../../base/errors.ts';
import { readBounded } from '../../base/files.ts';
import { withLock } from '../../base/lock.ts';
import { MiB } from '../../base/size.ts';
import { treePaths } from '../../base/tree-paths.ts';
import { type CatalogEntry, catalog, catalogPath, contentDirectory, parseSigned } from '../catalog.ts';
import { readPublishingKeys } from '../signed-metadata.ts';
import { publishedCatalogPath, readPublished } from './published.ts';
import { writeCatalog } from './write-catalog.ts';

/**
 * Days for which the files of a release are kept after it is no longer offered: a host may be
 * fetching it. The slowest accepted transfer of a release takes two days.
 */
export const defaultGraceDays = 7;

export interface PruneRequest {
  readonly repository: string;
  /** Number of the newest releases to keep. */
  readonly keep: number;
  readonly graceDays: number;
  /** HOLDFAST_HOME/keys/repository. */
  readonly keys: string;
  readonly now?: Date;
}

export interface Pruning {
  /** Releases that are no longer offered. */
  readonly withdrawn: readonly Pick<CatalogEntry, 'digest' | 'version'>[];
  /** Number of releases that the repository still offers. */
  readonly kept: number;
  /** Bytes of the removed files. */
  readonly freed: number;
  /** Bytes that a later run removes, because a host may still be fetching them. */
  readonly pending: number;
}

/**
 * Withdraws all but the newest releases from a repository, and removes the files that only metadata
 * names that was replaced longer than `graceDays` ago. No record of withdrawals is needed: versions
 * of metadata are seconds since 1970.
 * @throws HoldfastError `repository.empty`, `repository.keys`.
 */
export async function pruneRepository(request: PruneRequest): Promise<Pruning> {
  const { repository, keep, graceDays, keys, now = new Date() } = request;
  if ((await readPublished(repository)).version === 0) {
    throw misuse('repository.absent', `there is no repository at ${repository}`, {
      next: 'name the directory that has metadata/ in it',
    });
  }
  const publishing = await readPublishingKeys(keys);
  return withLock(join(repository, '.lock'), 'release prune', async () => {
    const { releases, version } = await readPublished(repository);
    const [withdrawn, kept] = [releases.slice(0, -keep), releases.slice(-keep)];
    if (withdrawn.length > 0)
      await writeCatalog(repository, kept, { keys, publishing, lastVersion: version, now });
    const oldest = now.getTime() / 1000 - graceDays * 86_400;
    const freed = await removeUnnamed(repository, await dropReplaced(repository, oldest));
    const current = new Set(kept.map(contentDirectory));
    return {
      withdrawn: withdrawn.map(({ digest, version }) => ({ digest, version })),
      kept: kept.length,
      freed,
      pending: await sizeOfOthers(repository, current),
    };
  });
}

/**
 * Removes the metadata that was replaced before `oldest`.
 * @returns the paths that the remaining metadata names, relative to the repository.
 */
async function dropReplaced(repository: string, oldest: number): Promise<ReadonlySet<string>> {
  const directory = join(repository, 'metadata');
  const versions = (await readdir(directory))
    .flatMap((name) => /^(\d+)\.targets\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const named = new Set<string>();
  for (const [at, version] of versions.entries()) {
    const replaced = versions[at + 1];
    if (replaced !== undefined && replaced < oldest) {
      for (const role of ['targets', 'snapshot'])
        await rm(join(directory, `${version}.${role}.json`), { force: true });
      continue;
    }
    const path = await publishedCatalogPath(repository, version);
    named.add(path.slice(repository.length + 1));
    const { releases } = parseSigned(catalog, await readBounded(path, 64 * MiB), catalogPath);
    for (const entry of releases) named.add(contentDirectory(entry));
  }
  return named;
}

/** Removes the catalogs and directories of releases that are not in `named`. @returns their bytes. */
async function removeUnnamed(repository: string, named: ReadonlySet<string>): Promise<number> {
  let freed = 0;
  for (const path of [...(await catalogs(repository)), ...(await contentDirectories(repository))]) {
    if (named.has(path)) continue;
    freed += await sizeOf(join(repository, path));
    await rm(join(repository, path), { recursive: true });
  }
  const content = join(repository, 'content');
  for (const digest of await namesIn(content))
    if ((await namesIn(join(content, digest))).length === 0)
      await rm(join(content, digest), { recursive: true });
  return freed;
}

async function sizeOfOthers(repository: string, current: ReadonlySet<string>): Promise<number> {
  const others = (await contentDirectories(repository)).filter((path) => !current.has(path));
  const sizes = await Promise.all(others.map((path) => sizeOf(join(repository, path))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function catalogs(repository: string): Promise<string[]> {
  return (await namesIn(join(repository, 'targets'))).map((name) => `targets/${name}`);
}

async function contentDirectories(repository: string): Promise<string[]> {
  const paths: string[] = [];
  for (const digest of await namesIn(join(repository, 'content')))
    for (const name of await namesIn(join(repository, 'content', digest)))
      paths.push(`content/${digest}/${name}`);
  return paths;
}

function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  });
}

async function sizeOf(path: string): Promise<number> {
  const files = (await stat(path)).isDirectory()
    ? (await treePaths(path)).map((each) => join(path, each))
    : [path];
  const sizes = await Promise.all(files.map(async (each) => (await stat(each)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
