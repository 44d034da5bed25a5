import { constants, sign, verify, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../base/errors.ts';
import { exists, makePrivateDirectory, syncDirectory } from '../base/files.ts';
import { run } from '../base/process.ts';

/**
 * The keys that vouch for releases, each an RSA key with a self-signed certificate.
 * - `platform` is Secure Boot's PK and KEK: it may change what the firmware trusts. It signs nothing day by day.
 * - `release` is Secure Boot's db: it signs UKIs, root hashes and manifests.
 */
export const keyNames = ['platform', 'release'] as const;
export type KeyName = (typeof keyNames)[number];

/** Where one key pair is: PEM files. */
export interface KeyPair {
  readonly privateKey: string;
  readonly certificate: string;
}

const subjects: Readonly<Record<KeyName, string>> = {
  platform: '/CN=Holdfast platform key/',
  release: '/CN=Holdfast release key/',
};

/** Secure Boot has no revocation by date, and an expired certificate must never stop a machine. */
const validDays = 365 * 100;

/**
 * The paths of a key pair, made on first use: directory 0700, private key 0600, whole or not at all.
 * @param directory HOLDFAST_HOME/keys.
 */
export async function keyPair(directory: string, name: KeyName): Promise<KeyPair> {
  const home = join(directory, name);
  const pair = { privateKey: join(home, 'private.pem'), certificate: join(home, 'certificate.pem') };
  if (await exists(home)) return pair;
  await makePrivateDirectory(directory);
  const temporary = await mkdtemp(join(directory, `.${name}-`));
  try {
    await run('openssl', [
      ...['req', '-x509', '-new', '-newkey', 'rsa:3072', '-noenc', '-sha256', '-batch'],
      ...['-days', String(validDays), '-subj', subjects[name]],
      ...['-addext', 'extendedKeyUsage=codeSigning', '-addext', 'keyUsage=critical,digitalSignature'],
      ...['-keyout', join(temporary, 'private.pem'), '-out', join(temporary, 'certificate.pem')],
    ]);
    await syncDirectory(temporary);
    await rename(temporary, home);
    await syncDirectory(directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (await exists(home)) return pair; // another process made it first
    throw error;
  }
  return pair;
}

/** A PEM certificate as DER, the form that firmware and kernel take. */
export async function certificateDer(path: string): Promise<Buffer> {
  return new X509Certificate(await readFile(path)).raw;
}

/** RSA PKCS #1 v1.5 with SHA-256: the same bytes each time, so that a rebuilt release is the same release. */
const scheme = { padding: constants.RSA_PKCS1_PADDING };

/** Signs the bytes of `release.json`. */
export async function signManifest(manifest: Uint8Array, key: KeyPair): Promise<Buffer> {
  return sign('sha256', manifest, { key: await readFile(key.privateKey), ...scheme });
}

/** Whether the release key with this certificate signed these bytes of `release.json`. */
export function isManifestSigned(
  manifest: Uint8Array,
  signature: Uint8Array,
  { publicKey: key }: X509Certificate,
): boolean {
  return verify('sha256', manifest, { key, ...scheme }, signature);
}

/**
 * Checks the bytes of `release.json` against its signature.
 * @throws HoldfastError `release.signature` when another key signed it, or it was changed.
 */
export async function verifyManifest(
  manifest: Uint8Array,
  signature: Uint8Array,
  certificate: string,
): Promise<void> {
  if (isManifestSigned(manifest, signature, new X509Certificate(await readFile(certificate)))) return;
  throw failure('release.signature', 'the release is not signed by a key this host trusts', {
    why: 'release.json.sig does not fit release.json and the release certificate',
    next: `take the release from its builder again, or trust its builder by putting the certificate at ${certificate}`,
  });
}
