import * as z from 'zod';
import { hostArchitecture } from '../base/architecture.ts';
import { rootHash } from '../verity/root-hash.ts';

/** Lower-case hex SHA-256. */
export type Sha256 = string & { readonly __brand: 'Sha256' };
export const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((text) => text as Sha256);

/** A file of the release, relative to its directory. */
const file = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/),
  size: z.int().positive(),
  sha256,
});

/** An EFI program, with its measurements by firmware and stub: firmware/efi-program.ts. */
export const program = file.extend({ authenticode: sha256 });
/** A unified kernel image, with the sections that its stub measures. */
export const uki = program.extend({
  sections: z.array(z.strictObject({ name: z.string().regex(/^\.[a-z]{1,7}$/), sha256 })).max(16),
});

/**
 * `release.json`, signed by the release key in `release.json.sig`. It lists every other file of the release with its digest, so
 * that one signature covers all.
 */
export const releaseManifest = z.strictObject({
  format: z.literal(1),
  /** `13.2.20261122`: the distribution's version, the day of the newest package, and for further builds of that day a number. */
  version: z.string().regex(/^[0-9]+(?:\.[0-9]+)*$/),
  architecture: z.literal(hostArchitecture.name),
  /** A host that has had a release of a later epoch rejects this one. */
  epoch: z.int().nonnegative(),
  /** The time stamp of all content, in seconds since 1970. From the package lock, not from the clock. */
  sourceDateEpoch: z.int().positive(),
  kernel: z.string(),
  /** EROFS, followed by its dm-verity tree: the content of RootFS-A or RootFS-B. */
  root: file.extend({ dataSize: z.int().positive(), rootHash, uuid: z.uuid() }),
  /** Signed unified kernel image. Its command line names `root.rootHash`. */
  uki,
  /** The same with verity disabled on its command line: booted only after `holdfast verity disable`. */
  unverifiedUki: uki,
  /** Signed systemd-boot: finds the UKI when the machine's UEFI variables are lost. */
  loader: program,
  sbom: file,
  packages: file,
  /** The root's content where machines can change it. */
  overlays: file,
});

export type ReleaseManifest = z.infer<typeof releaseManifest>;
