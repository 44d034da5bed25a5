import { constants, sign, verify, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../base/errors.ts';
import { exists, makePrivateDirectory, syncDirectory } from '../base/files.ts';
import { requireOwnPath } from '../base/own-path.ts';
import { run } from '../base/process.ts';

/**
 * The keys that sign releases: RSA keys with self-signed certificates.
 * - `platform` is Secure Boot's PK and KEK: it can change what the firmware trusts. It has no everyday use.
 * - `release` is Secure Boot's db: it signs UKIs, root hashes and manifests.
 */
const keyNames = ['platform', 'release'] as const;
export type KeyName = (typeof keyNames)[number];

/** The files of a key pair: PEM. */
export interface KeyPair {
  readonly privateKey: string;
  readonly certificate: string;
}

const subjects: Readonly<Record<KeyName, string>> = {
  platform: '/CN=Holdfast platform key/',
  release: '/CN=Holdfast release key/',
};

/** Secure Boot has no revocation by date, and an expired certificate must never prevent a boot. */
const validDays = 365 * 100;

/**
 * Returns the paths of a key pair. Makes it on first use, atomically: directory 0700, private key 0600.
 * @param directory HOLDFAST_HOME/keys.
 * @throws HoldfastError `file.exposed` when another user could have put it there.
 */
export async function keyPair(directory: string, name: KeyName): Promise<KeyPair> {
  const home = join(directory, name);
  const pair = { privateKey: join(home, 'private.pem'), certificate: join(home, 'certificate.pem') };
  if (await exists(home)) {
    await requireOwnPath(pair.privateKey);
    return pair;
  }
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
    if (await exists(home)) return pair; // another process was faster
    throw error;
  }
  return pair;
}

/** Returns a PEM certificate as DER, the form for firmware and kernel. */
export async function certificateDer(path: string): Promise<Buffer> {
  return new X509Certificate(await readFile(path)).raw;
}

/** RSA PKCS #1 v1.5 with SHA-256: deterministic, so that a rebuilt release is identical. */
const scheme = { padding: constants.RSA_PKCS1_PADDING };

/** Signs the bytes of `release.json`. */
export async function signManifest(manifest: Uint8Array, key: KeyPair): Promise<Buffer> {
  return sign('sha256', manifest, { key: await readFile(key.privateKey), ...scheme });
}

/** Returns whether the release key with this certificate signed these bytes of `release.json`. */
export function isManifestSigned(
  manifest: Uint8Array,
  signature: Uint8Array,
  { publicKey: key }: X509Certificate,
): boolean {
  return verify('sha256', manifest, { key, ...scheme }, signature);
}

/**
 * Verifies the signature of the bytes of `release.json`.
 * @throws HoldfastError `release.signature` when another key signed it, or it was modified; `file.exposed` when another user could
 *   have put the certificate there.
 */
export async function verifyManifest(
  manifest: Uint8Array,
  signature: Uint8Array,
  certificate: string,
): Promise<void> {
  await requireOwnPath(certificate);
  if (isManifestSigned(manifest, signature, new X509Certificate(await readFile(certificate)))) return;
  throw failure('release.signature', 'the release is not signed by a key that this host trusts', {
    why: 'release.json.sig does not match release.json and the release certificate',
    next: `copy the release from its builder again, or trust its builder: put the certificate at ${certificate}`,
  });
}
