import { z } from 'zod';
import { describe, failure } from '../base/errors.ts';
import { MiB } from '../base/size.ts';
import { type ReleaseManifest, releaseManifest, sha256 } from '../release/manifest.ts';

/** Blocks that a frame of the block store holds at most: 1 MiB. */
export const slotsPerFrame = 256;

/** `releases.json`: what can be had, the newest last. */
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

/** A part of a large file that is fetched and checked by itself. Frames follow each other without gaps. */
const frame = z.strictObject({
  size: z
    .int()
    .positive()
    .max(16 * MiB),
  sha256,
});
export type FrameDescription = z.infer<typeof frame>;

const frames = z.array(frame).max(100_000);

/** `content.json` of a release: how its large files are offered, in files outside `targets/`. */
export const contentDescription = z.strictObject({
  format: z.literal(1),
  /** Frames of the block store, whose order follows from `blocks.index`. */
  blocks: frames,
  /** Packs from one older release each: the plan, then the parts. */
  packs: z.array(z.strictObject({ from: sha256, frames })).max(1000),
});
export type ContentDescription = z.infer<typeof contentDescription>;

/** The targets of one release. */
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
 * The directory of a release's large files, from the repository's top. It is named by what describes it too, so that publishing
 * again never changes a file that somebody is fetching.
 * @param description SHA-256 of `content.json`.
 */
export function contentDirectory(digest: string, description: string): string {
  return `content/${digest}/${description}`;
}

/** The block store, in that directory. */
export const blocksName = 'blocks';

/** The pack from an older release, in that directory. */
export function packName(from: string): string {
  return `from-${from}`;
}

/**
 * The files of a release that are copied from when a host has it: the image without its verity tree, and what the firmware
 * loads. A host's store has just these.
 */
export function copiedFiles({ root, uki, unverifiedUki, loader }: ReleaseManifest) {
  return [{ name: root.name, size: root.dataSize }, ...[uki, unverifiedUki, loader].map(sizeOf)];
}

/** The files of a release that are offered as blocks: those above first. */
export function contentFiles(manifest: ReleaseManifest) {
  return [...copiedFiles(manifest), sizeOf(manifest.sbom)];
}

function sizeOf({ name, size }: { readonly name: string; readonly size: number }) {
  return { name, size };
}

/**
 * Reads signed JSON. @param name of the file, for the error.
 * @throws HoldfastError `repository.malformed`.
 */
export function parseSigned<T>(schema: z.ZodType<T>, bytes: Buffer, name: string): T {
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw failure('repository.malformed', `${name} of the repository cannot be read`, {
      why: describe(error),
      next: 'use a newer Holdfast, or tell whoever publishes the repository',
      cause: error,
    });
  }
}
