import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, failure, type HoldfastError, isFailure, isSystemError } from '../base/errors.ts';
import { digestOfFile } from '../base/file-digest.ts';
import { exists, readBounded } from '../base/files.ts';
import { run } from '../base/process.ts';
import type { Progress } from '../base/progress.ts';
import { measureProgram } from '../firmware/efi-program.ts';
import { verifyManifest } from './keys.ts';
import { type ReleaseManifest, releaseManifest, type Sha256, sha256 } from './manifest.ts';

/** A release whose manifest is signed by a key that this host trusts. Its other files are not verified. */
export interface SignedRelease {
  readonly directory: string;
  /** SHA-256 of `release.json`: the release's identity. */
  readonly digest: Sha256;
  readonly manifest: ReleaseManifest;
  /** The bytes of `release.json` and its signature. */
  readonly signed: { readonly manifest: Buffer; readonly signature: Buffer };
}

/** Returns the files that a manifest names. */
export function releaseFiles({
  root,
  uki,
  unverifiedUki,
  loader,
  sbom,
  packages,
  overlays,
}: ReleaseManifest) {
  return [root, uki, unverifiedUki, loader, sbom, packages, overlays];
}

/** Returns the files that the firmware loads, verifies and measures. */
function signedPrograms({ uki, unverifiedUki, loader }: ReleaseManifest) {
  return [uki, unverifiedUki, loader];
}

/**
 * Reads a release's manifest and verifies its signature. Cheap.
 * @param certificate the release certificate that this host trusts: PEM.
 * @throws HoldfastError `release.none`, `release.untrusted`, `release.signature`, `release.damaged`.
 */
export async function readRelease(directory: string, certificate: string): Promise<SignedRelease> {
  const manifest = await readPart(directory, 'release.json', 1024 * 1024);
  const signature = await readPart(directory, 'release.json.sig', 64 * 1024);
  if (!(await exists(certificate))) {
    throw failure('release.untrusted', 'this host trusts no builder yet', {
      why: `there is no certificate at ${certificate}`,
      next: "run `holdfast build`, or put the certificate of the release's builder there",
    });
  }
  await verifyManifest(manifest, signature, certificate);
  return {
    directory,
    digest: sha256.parse(createHash('sha256').update(manifest).digest('hex')),
    manifest: parseManifest(manifest, directory),
    signed: { manifest, signature },
  };
}

/** @throws HoldfastError `release.damaged`. */
export function parseManifest(bytes: Buffer, directory: string): ReleaseManifest {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw damaged(directory, `release.json: ${describe(error)}`);
  }
  const parsed = releaseManifest.safeParse(value);
  if (parsed.success) return parsed.data;
  throw damaged(directory, describe(parsed.error));
}

async function readPart(directory: string, name: string, maximum: number): Promise<Buffer> {
  try {
    return await readBounded(join(directory, name), maximum);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') && !isSystemError(error, 'ENOTDIR')) throw error;
    throw failure('release.none', `there is no release in ${directory}`, {
      why: `${name} is missing`,
      next: 'build one with `holdfast build`, or pass its directory with --release; one that was built with sudo belongs to root: deploy it with sudo, too',
    });
  }
}

/**
 * Verifies every file of a release against its manifest, and the signatures and measurements of the files that the firmware
 * loads.
 * @throws HoldfastError `release.damaged` with all damaged files.
 */
export async function verifyFiles(
  release: SignedRelease,
  certificate: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const files = releaseFiles(release.manifest);
  await progress.step('Verifying the release', async (step) => {
    const total = files.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    const count = (bytes: number) => {
      done += bytes;
      step.update({ done, total, unit: 'bytes' });
    };
    const problems = await Promise.all([
      ...files.map((file) => problemOf(release.directory, file, count, signal)),
      ...signedPrograms(release.manifest).flatMap((program) => [
        signatureProblem(join(release.directory, program.name), certificate, signal),
        measurementProblem(release.directory, program),
      ]),
    ]);
    signal.throwIfAborted();
    const found = problems.filter((problem) => problem !== undefined);
    if (found.length > 0) throw damaged(release.directory, found.join('; '));
  });
}

async function problemOf(
  directory: string,
  file: { readonly name: string; readonly size: number; readonly sha256: Sha256 },
  count: (bytes: number) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  const path = join(directory, file.name);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return `${file.name} is missing`;
  if (found.size !== file.size) return `${file.name} has ${found.size} bytes instead of ${file.size}`;
  const digest = await digestOfFile(path, (bytes) => {
    signal.throwIfAborted();
    count(bytes);
  });
  return digest === file.sha256 ? undefined : `${file.name} was changed (its SHA-256 differs)`;
}

/** Verifies Authenticode as the firmware does. */
async function signatureProblem(
  path: string,
  certificate: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { code } = await run('sbverify', ['--cert', certificate, path], { accept: [0, 1], signal });
  return code === 0 ? undefined : `${path} is not signed by the release key`;
}

/** Verifies that the measurements in the manifest are those of the program: attestation relies on them. */
async function measurementProblem(
  directory: string,
  program: ReleaseManifest['loader'] | ReleaseManifest['uki'],
): Promise<string | undefined> {
  try {
    const { authenticode, sections } = measureProgram(
      await readBounded(join(directory, program.name), program.size),
    );
    const isSame =
      authenticode === program.authenticode &&
      (!('sections' in program) || isDeepStrictEqual(sections, program.sections));
    return isSame ? undefined : `${program.name} has other measurements than release.json states`;
  } catch (error) {
    if (isFailure(error, 'firmware.program')) return `${program.name}: ${error.why}`;
    return undefined; // missing or too large: reported for the file already
  }
}

function damaged(directory: string, why: string): HoldfastError {
  return failure('release.damaged', `the release in ${directory} is damaged`, {
    why,
    next: 'build it again, or copy it from its builder again',
  });
}
