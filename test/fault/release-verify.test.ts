import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { silent } from '../../src/base/progress.ts';
import { type KeyPair, keyPair } from '../../src/release/keys.ts';
import type { ReleaseManifest, Sha256 } from '../../src/release/manifest.ts';
import { readRelease, verifyFiles } from '../../src/release/verify.ts';
import { makeFakeRelease, signRelease } from '../support/fake-release.ts';

let scratch: string;
let ours: KeyPair;
let others: KeyPair;
let good: string;
let manifest: ReleaseManifest;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'holdfast-verify-'));
  [ours, others] = await Promise.all([
    keyPair(join(scratch, 'ours'), 'release'),
    keyPair(join(scratch, 'others'), 'release'),
  ]);
  good = join(scratch, 'good');
  manifest = await makeFakeRelease(good, ours);
});
after(() => rm(scratch, { recursive: true }));

async function check(directory: string, key = ours): Promise<void> {
  const release = await readRelease(directory, key.certificate);
  await verifyFiles(release, key.certificate, silent, new AbortController().signal);
}

/** Returns a changed copy of the valid release. */
async function changed(change: (directory: string) => Promise<unknown>): Promise<string> {
  const directory = await mkdtemp(join(scratch, 'changed-'));
  await cp(good, directory, { recursive: true });
  await change(directory);
  return directory;
}

async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(path, bytes);
}

test('verifies a valid release and identifies it by the digest of its manifest', async () => {
  await check(good);
  const { digest, manifest: read } = await readRelease(good, ours.certificate);
  const { stdout } = await run('sha256sum', [join(good, 'release.json')]);
  assert.equal(digest, stdout.toString().slice(0, 64));
  assert.deepEqual(read, manifest);
});

test('rejects a directory without a release and names it', async () => {
  await assert.rejects(check(scratch), { code: 'release.none', exitCode: 1 });
  await assert.rejects(check(join(scratch, 'nowhere')), { code: 'release.none' });
  await assert.rejects(check(join(good, 'root.img')), { code: 'release.none' });
});

test('trusts no release without a certificate', async () => {
  const missing = { ...ours, certificate: join(scratch, 'missing.pem') };
  await assert.rejects(check(good, missing), { code: 'release.untrusted', exitCode: 1 });
});

test('rejects a release signed with another key', async () => {
  await assert.rejects(check(good, others), { code: 'release.signature', exitCode: 1 });
});

test('rejects a changed manifest', async () => {
  const directory = await changed((path) => flipByte(join(path, 'release.json'), 20));
  await assert.rejects(check(directory), { code: 'release.signature' });
});

test('rejects a malformed manifest even if it is signed', async () => {
  for (const wrong of [
    {},
    { ...manifest, format: 2 },
    { ...manifest, uki: { ...manifest.uki, name: '../uki' } },
  ]) {
    const directory = await changed((path) => signRelease(path, wrong, ours));
    await assert.rejects(check(directory), { code: 'release.damaged', exitCode: 1 });
  }
});

for (const name of ['root.img', 'holdfast.efi', 'unverified.efi', 'loader.efi', 'packages.json'])
  test(`detects a flipped bit in ${name}`, async () => {
    const directory = await changed((path) => flipByte(join(path, name), 1));
    await assert.rejects(check(directory), {
      code: 'release.damaged',
      why: new RegExp(`${name} was changed`),
    });
  });

test('names all damaged files at once', async () => {
  const directory = await changed(async (path) => {
    await truncate(join(path, 'root.img'), 4096);
    await rm(join(path, 'sbom.spdx.json'));
    await flipByte(join(path, 'packages.json'), 0);
  });
  await assert.rejects(check(directory), {
    code: 'release.damaged',
    why: 'root.img has 4096 bytes instead of 1048576; sbom.spdx.json is missing; packages.json was changed (its SHA-256 differs)',
  });
});

for (const part of ['uki', 'unverifiedUki', 'loader'] as const)
  test(`${part}: rejects a program that the firmware would reject, although the manifest lists it`, async () => {
    const { name } = manifest[part];
    const directory = await changed(async (path) => {
      const foreign = await makeFakeRelease(join(path, 'foreign'), others);
      await cp(join(path, 'foreign', name), join(path, name));
      await signRelease(path, { ...manifest, [part]: foreign[part] }, ours);
    });
    await assert.rejects(check(directory), {
      code: 'release.damaged',
      why: new RegExp(`${name} is not signed`),
    });
  });

for (const part of ['uki', 'unverifiedUki', 'loader'] as const)
  test(`${part}: rejects measurements of another program, as attestation relies on them`, async () => {
    const directory = await changed((path) =>
      signRelease(path, { ...manifest, [part]: { ...manifest[part], authenticode: '0'.repeat(64) } }, ours),
    );
    await assert.rejects(check(directory), {
      code: 'release.damaged',
      why: `${manifest[part].name} has other measurements than release.json states`,
    });
  });

test('rejects a measurement of a section that the UKI lacks', async () => {
  const sections = [{ name: '.linux', sha256: '0'.repeat(64) as Sha256 }];
  const directory = await changed((path) =>
    signRelease(path, { ...manifest, uki: { ...manifest.uki, sections } }, ours),
  );
  await assert.rejects(check(directory), { why: /^holdfast\.efi has other measurements/ });
});

test('an interruption ends the verification', async () => {
  const release = await readRelease(good, ours.certificate);
  await assert.rejects(verifyFiles(release, ours.certificate, silent, AbortSignal.abort(new Error('stop'))));
});
