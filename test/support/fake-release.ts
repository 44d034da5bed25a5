import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { measureProgram } from '../../src/firmware/efi-program.ts';
import { type KeyPair, signManifest } from '../../src/release/keys.ts';
import { type ReleaseManifest, releaseManifest } from '../../src/release/manifest.ts';
import { efiProgram } from './efi-program.ts';

/**
 * Makes a release that cannot boot, but has valid files, digests and signatures.
 * @param seed determines the content, which differs between releases.
 */
export async function makeFakeRelease(directory: string, key: KeyPair, seed = 'a'): Promise<ReleaseManifest> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'root.img'), Buffer.alloc(256 * 4096, seed));
  for (const name of ['holdfast.efi', 'unverified.efi', 'loader.efi']) {
    const unsigned = join(directory, `${name}.unsigned`);
    await writeFile(unsigned, efiProgram([{ name: '.text', data: Buffer.from(`${seed}${name}`) }]));
    const signing = ['--key', key.privateKey, '--cert', key.certificate, '--output', join(directory, name)];
    await run('sbsign', [...signing, unsigned]);
    await rm(unsigned);
  }
  await writeFile(join(directory, 'sbom.spdx.json'), '{}\n');
  await writeFile(join(directory, 'packages.json'), '{}\n');
  await writeFile(join(directory, 'overlays.json'), '{}\n');
  const manifest = releaseManifest.parse({
    format: 1,
    version: '13.0.20261122',
    architecture: 'x86-64',
    epoch: 1,
    sourceDateEpoch: 1_795_305_600,
    kernel: '6.12.0',
    root: {
      ...(await describe(directory, 'root.img')),
      dataSize: 4096,
      rootHash: 'ab'.repeat(32),
      uuid: '00000000-0000-8000-8000-000000000000',
    },
    uki: { ...(await describeProgram(directory, 'holdfast.efi')), sections: [] },
    unverifiedUki: { ...(await describeProgram(directory, 'unverified.efi')), sections: [] },
    loader: await describeProgram(directory, 'loader.efi'),
    sbom: await describe(directory, 'sbom.spdx.json'),
    packages: await describe(directory, 'packages.json'),
    overlays: await describe(directory, 'overlays.json'),
  });
  await signRelease(directory, manifest, key);
  return manifest;
}

/** Writes and signs `release.json`. */
export async function signRelease(directory: string, manifest: unknown, key: KeyPair): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(manifest));
  await writeFile(join(directory, 'release.json'), bytes);
  await writeFile(join(directory, 'release.json.sig'), await signManifest(bytes, key));
}

async function describe(directory: string, name: string) {
  const bytes = await readFile(join(directory, name));
  return { name, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function describeProgram(directory: string, name: string) {
  const { authenticode } = measureProgram(await readFile(join(directory, name)));
  return { ...(await describe(directory, name)), authenticode };
}
