import { join } from 'node:path';
import { Metadata, MetadataKind } from '@tufjs/models';
import { isSystemError } from '../../base/errors.ts';
import { readBounded } from '../../base/files.ts';
import { MiB } from '../../base/size.ts';
import { decodeBlockIndex, prefixSize } from '../../delta/block-index.ts';
import { countBlocks } from '../../delta/content.ts';
import { type ReleaseManifest, releaseManifest } from '../../release/manifest.ts';
import {
  type Catalog,
  type CatalogEntry,
  catalog,
  catalogPath,
  contentDirectory,
  contentFiles,
  contentNames,
  copiedFiles,
  parseSigned,
} from '../catalog.ts';
import { targetFilePath } from '../signed-metadata.ts';

/** The published content of a repository. */
export interface Published {
  /** Version of the newest metadata; 0 if nothing was published. */
  readonly version: number;
  readonly releases: Catalog['releases'];
}

const fileLimit = 64 * MiB;

/**
 * Reads what a repository offers, for its publisher. These are the publisher's own files, so nothing
 * is verified.
 * @throws HoldfastError `repository.malformed`; Node's system errors when a listed file is missing.
 */
export async function readPublished(repository: string): Promise<Published> {
  const version = await newestVersion(repository);
  if (version === 0) return { version, releases: [] };
  const path = await publishedCatalogPath(repository, version);
  return {
    version,
    releases: parseSigned(catalog, await readBounded(path, fileLimit), catalogPath).releases,
  };
}

/** Returns the path of the catalog that a version of the metadata names. Throws as `readPublished`. */
export async function publishedCatalogPath(repository: string, version: number): Promise<string> {
  const bytes = await readBounded(join(repository, 'metadata', `${version}.targets.json`), fileLimit);
  const { signed } = Metadata.fromJSON(MetadataKind.Targets, JSON.parse(bytes.toString()));
  const { sha256 = '' } = signed.targets[catalogPath]?.hashes ?? {};
  return join(repository, 'targets', targetFilePath(catalogPath, sha256));
}

/** Reads a small file of a published release. Throws as `readPublished`. */
export function readPublishedFile(
  repository: string,
  entry: CatalogEntry,
  name: keyof typeof contentNames,
): Promise<Buffer> {
  return readBounded(join(repository, contentDirectory(entry), contentNames[name]), fileLimit);
}

/** Reads the manifest of a published release. Throws as `readPublished`. */
export async function readPublishedManifest(
  repository: string,
  entry: CatalogEntry,
): Promise<ReleaseManifest> {
  const bytes = await readPublishedFile(repository, entry, 'manifest');
  return parseSigned(releaseManifest, bytes, contentNames.manifest);
}

/** Returns the prefixes of the content that hosts store of a release. Throws as `readPublished`. */
export async function hostPrefixes(repository: string, entry: CatalogEntry): Promise<Buffer> {
  const manifest = await readPublishedManifest(repository, entry);
  const index = await readPublishedFile(repository, entry, 'index');
  const { prefixes } = decodeBlockIndex(index, countBlocks(contentFiles(manifest)));
  return prefixes.subarray(0, countBlocks(copiedFiles(manifest)) * prefixSize);
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
