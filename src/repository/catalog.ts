import { z } from 'zod';
import { describe, failure } from '../base/errors.ts';
import { MiB } from '../base/size.ts';
import { type ReleaseManifest, releaseManifest, sha256 } from '../release/manifest.ts';

/** Maximum number of blocks in a frame of the block store: 1 MiB. */
export const slotsPerFrame = 256;

/** `releases.json`: the offered releases, the newest last. */
export const catalog = z.strictObject({
  format: z.literal(1),
  releases: z
    .array(
      z.strictObject({
        /** SHA-256 of `release.json`. */
        digest: sha256,
        version: releaseManifest.shape.version,
      }),
    )
    .max(10_000),
});
export type Catalog = z.infer<typeof catalog>;

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

/** `content.json` of a release: describes its large files, which are stored outside `targets/`. */
export const contentDescription = z.strictObject({
  format: z.literal(1),
  /** Frames of the block store, in the order that derives from `blocks.index`. */
  blocks: frames,
  /** Packs, each from one older release: the plan, then the parts. */
  packs: z.array(z.strictObject({ from: sha256, frames })).max(1000),
});
export type ContentDescription = z.infer<typeof contentDescription>;

/** Returns the target paths of a release. */
export function targetPaths(digest: string) {
  return {
    manifest: `${digest}/release.json`,
    signature: `${digest}/release.json.sig`,
    content: `${digest}/content.json`,
    index: `${digest}/blocks.index`,
    packages: `${digest}/packages.json`,
    overlays: `${digest}/overlays.json`,
  };
}

export const catalogPath = 'releases.json';

/**
 * Returns the directory of a release's large files, relative to the root of the repository. Its
 * name includes the digest of the description, so that publishing a release again never changes a
 * file that is being fetched.
 * @param description SHA-256 of `content.json`.
 */
export function contentDirectory(digest: string, description: string): string {
  return `content/${digest}/${description}`;
}

/** Name of the block store in that directory. */
export const blocksName = 'blocks';

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
