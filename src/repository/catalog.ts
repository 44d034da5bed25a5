import * as z from 'zod';
import { describe, failure } from '../base/errors.ts';
import { MiB } from '../base/size.ts';
import { type ReleaseManifest, releaseManifest, sha256 } from '../release/manifest.ts';

/** Maximum number of blocks in a frame of the block store: 1 MiB. */
export const slotsPerFrame = 256;

/** A small file that is fetched whole and verified by its digest. */
const fileDescription = z.strictObject({ size: z.int().positive(), sha256 });
export type FileDescription = z.infer<typeof fileDescription>;

/**
 * `releases.json`: the offered releases, the newest last. It is the only target that TUF signs, so
 * that its metadata does not grow with the number of releases.
 */
export const catalog = z.strictObject({
  format: z.literal(2),
  releases: z
    .array(
      z.strictObject({
        /** SHA-256 of `release.json`. */
        digest: sha256,
        version: releaseManifest.shape.version,
        /** Describes the other files of the release. */
        content: fileDescription,
      }),
    )
    .max(10_000),
});
export type Catalog = z.infer<typeof catalog>;
export type CatalogEntry = Catalog['releases'][number];

/** A part of a large file that is fetched and verified on its own. Frames are contiguous. */
const frame = z.strictObject({
  size: z
    .int()
    .positive()
    .max(16 * MiB),
  sha256,
});
export type FrameDescription = z.infer<typeof frame>;

const frames = z.array(frame).max(100_000);

/** `content.json` of a release: describes the files that its manifest does not list. */
export const contentDescription = z.strictObject({
  format: z.literal(2),
  /** `blocks.index`. */
  index: fileDescription,
  /** Frames of the block store, in the order that derives from `blocks.index`. */
  blocks: frames,
  /** Packs, each from one older release: the plan, then the parts. */
  packs: z.array(z.strictObject({ from: sha256, frames })).max(1000),
});
export type ContentDescription = z.infer<typeof contentDescription>;

/** Returns the sum of the sizes of frames. */
export function sizeOfFrames(frames: readonly FrameDescription[]): number {
  return frames.reduce((sum, { size }) => sum + size, 0);
}

export const catalogPath = 'releases.json';

/** Names of the files of a release in its directory; packs have a `packName`. */
export const contentNames = {
  manifest: 'release.json',
  signature: 'release.json.sig',
  content: 'content.json',
  packages: 'packages.json',
  overlays: 'overlays.json',
  index: 'blocks.index',
  blocks: 'blocks',
} as const;

/**
 * Returns the directory of a release, relative to the root of the repository. Its name includes the
 * digest of the description, so that publishing a release again never changes a file that is being
 * fetched.
 */
export function contentDirectory({ digest, content }: Pick<CatalogEntry, 'digest' | 'content'>): string {
  return `content/${digest}/${content.sha256}`;
}

/** Returns the name of the pack from an older release in that directory. */
export function packName(from: string): string {
  return `from-${from}`;
}

/**
 * Returns the files of an older release that serve as copy sources: the image without its verity
 * tree, and the EFI programs. The store of a host has exactly these.
 */
export function copiedFiles({ root, uki, unverifiedUki, loader }: ReleaseManifest) {
  return [{ name: root.name, size: root.dataSize }, ...[uki, unverifiedUki, loader].map(sizeOf)];
}

/** Returns the files of a release that are offered as blocks, starting with the `copiedFiles`. */
export function contentFiles(manifest: ReleaseManifest) {
  return [...copiedFiles(manifest), sizeOf(manifest.sbom)];
}

function sizeOf({ name, size }: { readonly name: string; readonly size: number }) {
  return { name, size };
}

/**
 * Parses signed JSON.
 * @param name name of the file, for the error.
 * @throws HoldfastError `repository.malformed`.
 */
export function parseSigned<T>(schema: z.ZodType<T>, bytes: Buffer, name: string): T {
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw failure('repository.malformed', `cannot read ${name} of the repository`, {
      why: describe(error),
      next: 'use a newer Holdfast, or report this to the publisher of the repository',
      cause: error,
    });
  }
}
