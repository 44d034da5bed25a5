import { failure, misuse } from '../../base/errors.ts';
import { verifyManifest } from '../../release/keys.ts';
import { type ReleaseManifest, releaseManifest, type Sha256, sha256 } from '../../release/manifest.ts';
import { type SmallContent, type SmallFile, smallFiles } from '../../release/small-files.ts';
import {
  type Catalog,
  type ContentDescription,
  catalog,
  catalogPath,
  contentDescription,
  contentDirectory,
  parseSigned,
  targetPaths,
} from '../catalog.ts';
import { sha256Of } from '../signed-metadata.ts';
import type { RepositorySource } from '../source/source.ts';
import { refreshMetadata, type TrustedMetadata } from './trusted-metadata.ts';

/** What a host trusts initially, and where it stores the metadata that it has verified. */
export interface RepositoryTrust {
  /** The certificate, in PEM, whose key must have signed releases. */
  readonly certificate: string;
  /** Path of the root metadata that is trusted initially. */
  readonly firstRoot: string;
  /** Directory of the verified metadata, which protects against rollback. */
  readonly metadata: string;
}

/** A release that a repository offers. Its manifest is verified, its files are not fetched yet. */
export interface Offer {
  readonly digest: Sha256;
  readonly manifest: ReleaseManifest;
  readonly signed: { readonly manifest: Buffer; readonly signature: Buffer };
  readonly content: ContentDescription;
  /** Directory of its large files, relative to the root of the repository. */
  readonly directory: string;
  readonly metadata: TrustedMetadata;
}

/** The verified list of releases that a repository offers. */
export interface Offers {
  readonly catalog: Catalog;
  readonly metadata: TrustedMetadata;
}

/**
 * Reads the list of releases that a repository offers.
 * @throws HoldfastError those of `refreshMetadata`; `repository.malformed`.
 */
async function readOffers(
  source: RepositorySource,
  trust: RepositoryTrust,
  signal: AbortSignal,
): Promise<Offers> {
  const metadata = await refreshMetadata(source, trust.metadata, trust.firstRoot, signal);
  const listed = await metadata.target(catalogPath);
  return { metadata, catalog: parseSigned(catalog, listed, catalogPath) };
}

/**
 * Reads the newest release that a repository offers, or the requested version.
 * @throws HoldfastError `repository.empty`, `repository.version`, `repository.tampered`,
 *   `release.signature`, those of `readOffers`.
 */
export async function readOffer(
  source: RepositorySource,
  trust: RepositoryTrust,
  signal: AbortSignal,
  version?: string,
): Promise<Offer> {
  const { catalog: offered, metadata } = await readOffers(source, trust, signal);
  const { releases } = offered;
  const entry =
    version === undefined ? releases.at(-1) : releases.findLast((each) => each.version === version);
  if (!entry && version !== undefined) {
    throw misuse('repository.version', `${source.name} does not offer release ${version}`, {
      why: `it offers ${releases.map((each) => each.version).join(', ') || 'none'}`,
    });
  }
  if (!entry) throw failure('repository.empty', `${source.name} offers no release`);
  const paths = targetPaths(entry.digest);
  const manifest = await metadata.target(paths.manifest);
  const signature = await metadata.target(paths.signature);
  await verifyManifest(manifest, signature, trust.certificate);
  if (sha256Of(manifest) !== entry.digest) {
    throw failure('repository.mixed', `${source.name} lists a release under the digest of another`, {
      why: `${paths.manifest} does not match the digest in the list`,
      next: 'report this to the publisher of the repository',
    });
  }
  const described = await metadata.target(paths.content);
  return {
    digest: sha256.parse(entry.digest),
    manifest: parseSigned(releaseManifest, manifest, paths.manifest),
    signed: { manifest, signature },
    content: parseSigned(contentDescription, described, paths.content),
    directory: contentDirectory(entry.digest, sha256Of(described)),
    metadata,
  };
}

/** Reads a small file of an offered release. @throws HoldfastError `repository.malformed`. */
export async function offeredPart<Part extends SmallFile>(
  { metadata, digest }: Offer,
  part: Part,
): Promise<SmallContent<Part>> {
  const path = targetPaths(digest)[part];
  return parseSigned<SmallContent<SmallFile>>(
    smallFiles[part],
    await metadata.target(path),
    path,
  ) as SmallContent<Part>;
}
