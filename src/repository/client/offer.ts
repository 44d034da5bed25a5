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
import type { Source } from '../source/source.ts';
import { refreshMetadata, type TrustedMetadata } from './trusted-metadata.ts';

/** What a host trusts, and where it keeps what it has seen. */
export interface Trust {
  /** The certificate that releases must be signed by: PEM. */
  readonly certificate: string;
  /** The root metadata that is trusted first. */
  readonly firstRoot: string;
  /** Where trusted metadata is kept: what was seen once is never rolled back. */
  readonly metadata: string;
}

/** A release that a repository offers; its manifest is verified, its files are not fetched. */
export interface Offer {
  readonly digest: Sha256;
  readonly manifest: ReleaseManifest;
  readonly signed: { readonly manifest: Buffer; readonly signature: Buffer };
  readonly content: ContentDescription;
  /** The directory of its large files, from the repository's top. */
  readonly directory: string;
  readonly metadata: TrustedMetadata;
}

/** What a repository offers now: verified. */
export interface Offers {
  readonly catalog: Catalog;
  readonly metadata: TrustedMetadata;
}

/**
 * Asks a repository what it offers.
 * @throws HoldfastError those of `refreshMetadata`; `repository.malformed`.
 */
export async function readOffers(source: Source, trust: Trust, signal: AbortSignal): Promise<Offers> {
  const metadata = await refreshMetadata(source, trust.metadata, trust.firstRoot, signal);
  const listed = await metadata.target(catalogPath);
  return { metadata, catalog: parseSigned(catalog, listed, catalogPath) };
}

/**
 * The newest release that a repository offers, or the one asked for.
 * @throws HoldfastError `repository.empty`, `repository.version`, `repository.tampered`, `release.signature`, those of
 *   `readOffers`.
 */
export async function readOffer(
  source: Source,
  trust: Trust,
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
    throw failure('repository.mixed', `${source.name} lists a release under another's name`, {
      why: `${paths.manifest} does not have the digest that it is listed with`,
      next: 'tell whoever publishes the repository',
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

/** What an offered release tells of itself. @throws HoldfastError `repository.malformed`. */
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
