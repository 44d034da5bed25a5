import { failure } from '../base/errors.ts';
import { run } from '../base/process.ts';

/*
 * The archive's signature proves that Debian published a package at some time, not that it is still the newest: a mirror, or an
 * attacker on the way to it, can serve an old state of the archive with its old signature. So a package that Holdfast fetches for itself
 * has a minimum version, and its known versions have digests. A newer version is accepted from an archive that is current.
 */

/** What is known of a package that Holdfast fetches for itself. */
export interface PackagePins {
  /** Earlier versions are denied. */
  readonly least: string;
  readonly versions: Readonly<Record<string, PinnedVersion>>;
}

interface PinnedVersion {
  /** SHA-256 of the .deb file in lower-case hex. */
  readonly archive: string;
  /** SHA-256 of its programs, by their path in it. */
  readonly programs: Readonly<Record<string, string>>;
}

/** A downloaded package. */
export interface FetchedPackage {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the .deb file in lower-case hex. */
  readonly digest: string;
}

/** How long a Release file is current that does not say so itself. The archive of sid replaces its own after 6 hours. */
const currentDays = 14;

/**
 * Checks a package whose signatures apt has verified.
 * @param release the Release file that the archive signed.
 * @throws HoldfastError `package.outdated` below the minimum version, `package.digest` when a known version has other content,
 *   `package.stale` when the version is unknown and the state of the archive is not current.
 */
export async function checkPins(
  { name, version, digest }: FetchedPackage,
  pins: PackagePins,
  release: string,
  now: Date,
): Promise<void> {
  const what = `cannot use ${name} ${version}`;
  const next = 'use another mirror of Debian; a third party may be replaying an old state of this one';
  const pinned = pins.versions[version];
  if (pinned) {
    if (pinned.archive === digest) return;
    throw failure('package.digest', what, {
      why: `it has the digest ${digest} instead of ${pinned.archive}`,
      next,
    });
  }
  if (await isEarlier(version, pins.least))
    throw failure('package.outdated', what, { why: `the earliest version to use is ${pins.least}`, next });
  const until = currentUntil(release);
  if (until === undefined || until < now) {
    throw failure('package.stale', what, {
      why: `its version is new to this Holdfast, and the state of the archive ${until ? `was current until ${until.toISOString().slice(0, 10)}` : 'has no date'}`,
      next,
    });
  }
}

/** Returns whether a version is earlier than another, by dpkg(1). */
export async function isEarlier(version: string, other: string): Promise<boolean> {
  const { code } = await run('dpkg', ['--compare-versions', version, 'lt', other], { accept: [0, 1] });
  return code === 0;
}

/** Returns until when a Release file is current: its `Valid-Until`, or some days after its `Date`. */
export function currentUntil(release: string): Date | undefined {
  // only what is signed (RFC 9580, section 7)
  const signed =
    /^-----BEGIN PGP SIGNED MESSAGE-----\n(?:.+\n)*\n([\s\S]*?)^-----BEGIN PGP SIGNATURE-----$/m.exec(
      release,
    )?.[1];
  const field = (name: string) =>
    Date.parse(new RegExp(`^${name}: (.+)$`, 'm').exec(signed ?? '')?.[1] ?? '');
  const until = field('Valid-Until') || field('Date') + currentDays * 86_400_000;
  return Number.isNaN(until) ? undefined : new Date(until);
}
