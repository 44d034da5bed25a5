import { join } from 'node:path';
import { Metadata, MetadataKind } from '@tufjs/models';
import { isSystemError } from '../../base/errors.ts';
import { readBounded } from '../../base/files.ts';
import { MiB } from '../../base/size.ts';
import { decodeBlockIndex, prefixSize } from '../../delta/block-index.ts';
import { countBlocks } from '../../delta/content.ts';
import { releaseManifest } from '../../release/manifest.ts';
import {
  type Catalog,
  catalog,
  catalogPath,
  contentFiles,
  copiedFiles,
  parseSigned,
  targetPaths,
} from '../catalog.ts';
import { type Target, targetFilePath } from '../signed-metadata.ts';
import { sourceErrors } from '../source/errors.ts';

/**
 * The published content of a repository, read by its publisher. These are the publisher's own
 * files, so nothing is verified.
 */
export interface Published {
  /** Version of the newest metadata; 0 if nothing was published. */
  readonly version: number;
  readonly catalog: Catalog;
  readonly targets: readonly Target[];
  /** Returns the bytes of a target. @throws HoldfastError `repository.missing`. */
  target(path: string): Buffer;
  /**
   * Returns the prefixes of the content that hosts store of the newest `count` releases, except
   * one; the newest first.
   */
  hostPrefixes(count: number, except: string): Buffer[];
}

const fileLimit = 64 * MiB;

/**
 * Reads a repository.
 * @throws HoldfastError `repository.malformed`; Node's system errors when a listed file is missing.
 */
export async function readPublished(repository: string): Promise<Published> {
  const version = await newestVersion(repository);
  const targets = version === 0 ? [] : await readTargets(repository, version);
  const bytesOf = (path: string) => targets.find((target) => target.path === path)?.bytes;
  const listed = bytesOf(catalogPath);
  const releases = listed ? parseSigned(catalog, listed, catalogPath) : { format: 1 as const, releases: [] };
  return {
    version,
    catalog: releases,
    targets,
    target: (path) => {
      const bytes = bytesOf(path);
      if (bytes) return bytes;
      throw sourceErrors.missing(repository, path);
    },
    hostPrefixes: (count, except) =>
      releases.releases
        .filter(({ digest }) => digest !== except)
        .slice(-count)
        .reverse()
        .flatMap(({ digest }) => {
          const paths = targetPaths(digest);
          const [manifest, index] = [bytesOf(paths.manifest), bytesOf(paths.index)];
          if (!manifest || !index) return [];
          const release = parseSigned(releaseManifest, manifest, paths.manifest);
          const { prefixes } = decodeBlockIndex(index, countBlocks(contentFiles(release)));
          return [prefixes.subarray(0, countBlocks(copiedFiles(release)) * prefixSize)];
        }),
  };
}

async function newestVersion(repository: string): Promise<number> {
  try {
    const bytes = await readBounded(join(repository, 'metadata', 'timestamp.json'), fileLimit);
    return Metadata.fromJSON(MetadataKind.Timestamp, JSON.parse(bytes.toString())).signed.version;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return 0;
    throw error;
  }
}

async function readTargets(repository: string, version: number): Promise<Target[]> {
  const bytes = await readBounded(join(repository, 'metadata', `${version}.targets.json`), fileLimit);
  const { signed } = Metadata.fromJSON(MetadataKind.Targets, JSON.parse(bytes.toString()));
  const read = Object.values(signed.targets).map(async ({ path, hashes }) => {
    const file = join(repository, 'targets', targetFilePath(path, hashes.sha256 ?? ''));
    return { path, bytes: await readBounded(file, fileLimit) };
  });
  return Promise.all(read);
}
