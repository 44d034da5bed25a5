import * as z from 'zod';
import { roles } from '../../repository/roles.ts';
import { bytesField, digestField, packageChangesField, versionField } from './fields.ts';

const file = { name: z.string(), size: bytesField, sha256: digestField };
const program = {
  ...file,
  authenticode: digestField.describe('Authenticode digest, as the firmware measures it'),
};
const uki = z.strictObject({
  ...program,
  sections: z.array(z.strictObject({ name: z.string(), sha256: digestField })),
});

const manifest = z
  .strictObject({
    format: z.literal(1),
    version: versionField,
    architecture: z.literal('x86-64'),
    epoch: z.int().nonnegative(),
    sourceDateEpoch: z.int().positive().describe('Seconds since 1970 of every time stamp in the release'),
    kernel: z.string(),
    root: z.strictObject({ ...file, dataSize: bytesField, rootHash: digestField, uuid: z.uuid() }),
    uki,
    unverifiedUki: uki,
    loader: z.strictObject(program),
    sbom: z.strictObject(file),
    packages: z.strictObject(file),
    overlays: z.strictObject(file),
  })
  .describe('The content of release.json');

export const buildOutput = z.strictObject({
  directory: z.string().describe('Directory of the release'),
  built: z.boolean().describe('False if the release in the directory is still current'),
  manifest,
});

const rootVersion = z.int().positive().describe('Version of the TUF root metadata');
const trusted = z.string().describe('Path of the root metadata that other hosts must trust');

export const releaseKeysInitOutput = z.strictObject({ rootVersion, trusted });
export const releaseKeysRotateOutput = z.strictObject({
  rootVersion,
  rotated: z.array(z.enum(roles)).describe('Roles that have new keys'),
  trusted,
});

export const releasePublishOutput = z.strictObject({
  digest: digestField.describe('Digest of the manifest, which names the release in the repository'),
  version: versionField,
  blocks: bytesField.describe('Bytes of the whole release as it is offered'),
  packs: z.array(
    z.strictObject({ from: digestField.describe('Digest of the older release'), size: bytesField }),
  ),
});

export const releaseImportOutput = z.strictObject({
  digest: digestField.describe('Digest of the manifest'),
  version: versionField,
});

export const releasePruneOutput = z.strictObject({
  withdrawn: z
    .array(z.strictObject({ digest: digestField.describe('Digest of the manifest'), version: versionField }))
    .describe('Releases that are no longer offered'),
  kept: z.int().nonnegative().describe('Number of offered releases'),
  freed: bytesField.describe('Bytes of removed files'),
  pending: bytesField.describe('Bytes that a later run removes, after the grace period'),
});

export const releaseBundleOutput = z.strictObject({
  bundle: z.string().describe('Path of the bundle'),
  digest: digestField.describe('Digest of the manifest'),
  version: versionField,
  size: bytesField,
});

export const releaseDiffOutput = z.strictObject({
  packages: packageChangesField,
  files: z.array(
    z.strictObject({
      path: z.string(),
      kind: z.enum(['added', 'removed', 'changed']),
      oldSize: bytesField.optional().describe('Absent if the file is new'),
      newSize: bytesField.optional().describe('Absent if the file was removed'),
    }),
  ),
  missing: bytesField.describe('Bytes of blocks that a host with the older release lacks'),
  pack: bytesField.describe('Bytes of a pack from the older to the newer release'),
});
