import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type * as z from 'zod';
import { describe, failure } from '../base/errors.ts';
import { readBounded } from '../base/files.ts';
import { MiB } from '../base/size.ts';
import type { ReleaseManifest } from './manifest.ts';
import { overlayContent } from './overlay-content.ts';
import { packageLock } from './package-lock.ts';

/** The files that describe a release and are read as a whole. */
export const smallFiles = { packages: packageLock, overlays: overlayContent } as const;
export type SmallFile = keyof typeof smallFiles;
export type SmallContent<Part extends SmallFile> = z.infer<(typeof smallFiles)[Part]>;

/**
 * Reads such a file from a directory by its name in the manifest, and verifies that it is the signed one.
 * @throws HoldfastError `release.damaged`.
 */
export async function readSmallFile<Part extends SmallFile>(
  directory: string,
  manifest: ReleaseManifest,
  part: Part,
): Promise<SmallContent<Part>> {
  try {
    const bytes = await readSigned(directory, manifest, part);
    return smallFiles[part].parse(JSON.parse(bytes.toString())) as SmallContent<Part>;
  } catch (cause) {
    throw failure('release.damaged', `${join(directory, manifest[part].name)} is damaged`, {
      why: describe(cause),
      next: 'build the release again, or copy it from its builder again',
      cause,
    });
  }
}

/** Returns whether a directory has such a file, unmodified. */
export function hasSmallFile(
  directory: string,
  manifest: ReleaseManifest,
  part: SmallFile,
): Promise<boolean> {
  return readSigned(directory, manifest, part).then(
    () => true,
    () => false,
  );
}

async function readSigned(directory: string, manifest: ReleaseManifest, part: SmallFile): Promise<Buffer> {
  const { name, sha256 } = manifest[part];
  const bytes = await readBounded(join(directory, name), 16 * MiB);
  if (createHash('sha256').update(bytes).digest('hex') === sha256) return bytes;
  throw new RangeError('its SHA-256 differs from the signed one');
}
