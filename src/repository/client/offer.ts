import type { ErrorCode } from '../../base/error-codes.ts';
import { failure, isFailure, misuse } from '../../base/errors.ts';
import { MiB } from '../../base/size.ts';
import { verifyManifest } from '../../release/keys.ts';
import { type ReleaseManifest, releaseManifest, type Sha256 } from '../../release/manifest.ts';
import { type SmallContent, type SmallFile, smallFiles } from '../../release/small-files.ts';
import {
  type CatalogEntry,
  type ContentDescription,
  catalog,
  catalogPath,
  contentDescription,
  contentDirectory,
  contentNames,
  type FileDescription,
  parseSigned,
} from '../catalog.ts';
import { sha256Of } from '../signed-metadata.ts';
import { sourceErrors } from '../source/errors.ts';
import type { RepositorySource } from '../source/source.ts';
import { refreshMetadata } from './trusted-metadata.ts';

/** Limit for the small files of a release, which are held in memory. */
const smallFileLimit = 64 * MiB;

/** Seconds by which the clocks of publisher and host may differ. */
const clockSlack = 86_400;

/** Limit for a manifest and for its signature. */
const manifestLimit = MiB;

/** What a host trusts initially, and where it stores the metadata that it has verified. */
export interface RepositoryTrust {
  /** The certificate, in PEM, whose key must have signed releases. */
  readonly certificate: string;
  /** Path of the root metadata that is trusted initially. */
  readonly firstRoot: string;
  /** Directory of the verified metadata, which protects against rollback. */
  readonly metadata: string;
  /** Seconds since 1970 of the newest release that this host has; 0 for none. */
  readonly knownTime: number;
}

/** A release that a repository offers. Its manifest is verified, its files are not fetched yet. */
export interface Offer {
  readonly digest: Sha256;
  readonly manifest: ReleaseManifest;
  readonly signed: { readonly manifest: Buffer; readonly signature: Buffer };
  readonly content: ContentDescription;
  /** Directory of its large files, relative to the root of the repository. */
  readonly directory: string;
  /**
   * Reads a small file of the release and verifies it.
   * @throws HoldfastError `repository.missing`, `repository.tampered`, and those of the source.
   */
  read(name: string, description: FileDescription): Promise<Buffer>;
}

/** What a stale cache between this host and the repository can cause. */
const staleCodes: readonly ErrorCode[] = [
  'repository.expired',
  'repository.malformed',
  'repository.missing',
  'repository.mixed',
  'repository.rollback',
  'repository.signature',
  'repository.tampered',
];

/**
 * Reads the newest release that a repository offers, or the requested version. Asks once more
 * without caches before it rejects the repository.
 * @throws HoldfastError `repository.empty`, `repository.version`, `repository.tampered`,
 *   `repository.clock`, `release.signature`, `repository.malformed`, those of `refreshMetadata`.
 */
export async function readOffer(
  source: RepositorySource,
  trust: RepositoryTrust,
  signal: AbortSignal,
  version?: string,
): Promise<Offer> {
  requireClock(trust.knownTime, 'a release on this host was built');
  try {
    return await askOffer(source, trust, signal, version);
  } catch (error) {
    if (!source.uncached || !isFailure(error, ...staleCodes)) throw error;
    return askOffer(source.uncached, trust, signal, version);
  }
}

async function askOffer(
  source: RepositorySource,
  trust: RepositoryTrust,
  signal: AbortSignal,
  version: string | undefined,
): Promise<Offer> {
  const metadata = await refreshMetadata(source, trust.metadata, trust.firstRoot, signal);
  const { releases } = parseSigned(catalog, await metadata.target(catalogPath), catalogPath);
  const entry =
    version === undefined ? releases.at(-1) : releases.findLast((each) => each.version === version);
  if (!entry && version !== undefined) {
    throw misuse('repository.version', `${source.name} does not offer release ${version}`, {
      why: `it offers ${releases.map((each) => each.version).join(', ') || 'none'}`,
    });
  }
  if (!entry) throw failure('repository.empty', `${source.name} offers no release`);
  const manifest = await readManifest(source, entry, trust.certificate, signal);
  requireClock(metadata.version, 'the repository was signed');
  requireClock(manifest.manifest.sourceDateEpoch, 'its release was built');
  const directory = contentDirectory(entry);
  const read = (name: string, description: FileDescription) =>
    readVerified(source, `${directory}/${name}`, description, signal);
  return {
    digest: entry.digest,
    ...manifest,
    content: parseSigned(
      contentDescription,
      await read(contentNames.content, entry.content),
      contentNames.content,
    ),
    directory,
    read,
  };
}

/**
 * Rejects a clock that is before a time that was signed: it would accept expired metadata.
 * @param signed seconds since 1970.
 * @param event what took place then.
 * @throws HoldfastError `repository.clock`.
 */
function requireClock(signed: number, event: string): void {
  const now = new Date();
  if (now.getTime() / 1000 > signed - clockSlack) return;
  throw failure('repository.clock', "this host's clock is wrong", {
    why: `it shows ${now.toISOString()}, but ${event} at ${new Date(signed * 1000).toISOString()}`,
    next: "set this host's clock, then retry; if it is right, report this to the publisher",
  });
}

/** Reads the manifest, which the catalog names by its digest and the release key has signed. */
async function readManifest(
  source: RepositorySource,
  entry: CatalogEntry,
  certificate: string,
  signal: AbortSignal,
): Promise<Pick<Offer, 'manifest' | 'signed'>> {
  const [path, signaturePath] = [contentNames.manifest, contentNames.signature].map(
    (name) => `${contentDirectory(entry)}/${name}`,
  ) as [string, string];
  const manifest = await readWhole(source, path, manifestLimit, signal);
  if (sha256Of(manifest) !== entry.digest) throw sourceErrors.tampered(source.name, path);
  const signature = await readWhole(source, signaturePath, manifestLimit, signal);
  await verifyManifest(manifest, signature, certificate);
  return { manifest: parseSigned(releaseManifest, manifest, path), signed: { manifest, signature } };
}

async function readVerified(
  source: RepositorySource,
  path: string,
  { size, sha256 }: FileDescription,
  signal: AbortSignal,
): Promise<Buffer> {
  const bytes = await readWhole(source, path, Math.min(size, smallFileLimit), signal);
  if (bytes.length === size && sha256Of(bytes) === sha256) return bytes;
  throw sourceErrors.tampered(source.name, path);
}

async function readWhole(
  source: RepositorySource,
  path: string,
  maximum: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const bytes = await source.read(path, maximum, signal);
  if (bytes) return bytes;
  throw sourceErrors.missing(source.name, path);
}

/** Reads a small file of an offered release. @throws HoldfastError `repository.malformed`. */
export async function offeredPart<Part extends SmallFile>(
  offer: Offer,
  part: Part,
): Promise<SmallContent<Part>> {
  const bytes = await offer.read(contentNames[part], offer.manifest[part]);
  return parseSigned<SmallContent<SmallFile>>(smallFiles[part], bytes, part) as SmallContent<Part>;
}
