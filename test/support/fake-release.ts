import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { type KeyPair, signManifest } from '../../src/release/keys.ts';
import { type ReleaseManifest, releaseManifest } from '../../src/release/manifest.ts';

/**
 * Makes a release that boots nothing but has all files, digests and signatures in order.
 * @param seed other bytes for another release.
 */
export async function makeFakeRelease(folder: string, key: KeyPair, seed = 'a'): Promise<ReleaseManifest> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'root.img'), Buffer.alloc(256 * 4096, seed));
  for (const name of ['holdfast.efi', 'unverified.efi', 'loader.efi']) {
    const unsigned = join(folder, `${name}.unsigned`);
    await writeFile(unsigned, tinyEfiProgram(`${seed}${name}`));
    const signing = ['--key', key.privateKey, '--cert', key.certificate, '--output', join(folder, name)];
    await run('sbsign', [...signing, unsigned]);
    await rm(unsigned);
  }
  await writeFile(join(folder, 'sbom.spdx.json'), '{}\n');
  await writeFile(join(folder, 'packages.json'), '{}\n');
  await writeFile(join(folder, 'overlays.json'), '{}\n');
  const manifest = releaseManifest.parse({
    format: 1,
    version: '13.0.20261122',
    architecture: 'x86-64',
    epoch: 1,
    sourceDateEpoch: 1_795_305_600,
    kernel: '6.12.0',
    root: {
      ...(await describe(folder, 'root.img')),
      dataSize: 4096,
      rootHash: 'ab'.repeat(32),
      uuid: '00000000-0000-8000-8000-000000000000',
    },
    uki: await describe(folder, 'holdfast.efi'),
    unverifiedUki: await describe(folder, 'unverified.efi'),
    loader: await describe(folder, 'loader.efi'),
    sbom: await describe(folder, 'sbom.spdx.json'),
    packages: await describe(folder, 'packages.json'),
    overlays: await describe(folder, 'overlays.json'),
  });
  await signRelease(folder, manifest, key);
  return manifest;
}

/** Writes and signs `release.json`. */
export async function signRelease(folder: string, manifest: unknown, key: KeyPair): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(manifest));
  await writeFile(join(folder, 'release.json'), bytes);
  await writeFile(join(folder, 'release.json.sig'), await signManifest(bytes, key));
}

async function describe(folder: string, name: string) {
  const bytes = await readFile(join(folder, name));
  return { name, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** The smallest PE32+ image that can be signed (PE format, "MS-DOS stub" to "section table"): one section of text. */
function tinyEfiProgram(text: string): Buffer {
  const image = Buffer.alloc(0x400);
  image.write('MZ', 0);
  image.writeUInt32LE(0x40, 0x3c);
  image.write('PE\0\0', 0x40);
  const coff = 0x44;
  image.writeUInt16LE(0x8664, coff); // x86-64
  image.writeUInt16LE(1, coff + 2); // sections
  image.writeUInt16LE(240, coff + 16); // size of the optional header
  image.writeUInt16LE(0x22, coff + 18); // executable, large addresses
  const optional = coff + 20;
  image.writeUInt16LE(0x20b, optional); // PE32+
  image.writeUInt32LE(0x200, optional + 4); // size of code
  image.writeUInt32LE(0x1000, optional + 16); // entry point
  image.writeUInt32LE(0x1000, optional + 20); // base of code
  image.writeUInt32LE(0x1000, optional + 32); // section alignment
  image.writeUInt32LE(0x200, optional + 36); // file alignment
  image.writeUInt32LE(0x2000, optional + 56); // size of image
  image.writeUInt32LE(0x200, optional + 60); // size of headers
  image.writeUInt16LE(10, optional + 68); // subsystem: EFI application
  image.writeUInt32LE(16, optional + 108); // data directories
  const section = optional + 240;
  image.write('.text', section);
  image.writeUInt32LE(0x200, section + 8); // virtual size
  image.writeUInt32LE(0x1000, section + 12); // virtual address
  image.writeUInt32LE(0x200, section + 16); // size of raw data
  image.writeUInt32LE(0x200, section + 20); // pointer to raw data
  image.writeUInt32LE(0x60000020, section + 36); // code, executable, readable
  image.write(text, 0x200);
  return image;
}
