import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { GiB } from '../../../../src/base/size.ts';
import { parsePackages } from '../../../../src/debian/package-list.ts';
import { layout, slotPartitions } from '../../../../src/disk/layout.ts';
import { moduleOrder } from '../../../../src/release/build/initrd.ts';
import { spdxDocument } from '../../../../src/release/build/sbom.ts';
import { freeAddress } from '../../../../src/release/build/uki.ts';
import { checkAgainstLock, type PackageLock } from '../../../../src/release/package-lock.ts';
import { digestTree } from '../../../../src/release/tree.ts';

const listed = [
  'zlib1g\t1:1.3.dfsg+really1.3.1-1\tamd64\tzlib\t1:1.3.dfsg+really1.3.1-1\tinstalled',
  'libstdc++6\t14.2.0-19\tamd64\tgcc-14\t14.2.0-19\tinstalled',
  'dpkg\t1.22.21\tamd64\tdpkg\t1.22.21\tinstalled',
].join('\n');

const lock = (): PackageLock => ({
  format: 1,
  suite: 'trixie',
  sourceDateEpoch: 1_795_227_046,
  packages: parsePackages(listed, new Set(['dpkg'])),
});

async function inScratch(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-release-'));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('a lock that cannot be followed is an error that names the packages', () => {
  checkAgainstLock(lock().packages, lock());
  const other = parsePackages(listed.replace('1.22.21', '1.22.22'), new Set());
  assert.throws(() => checkAgainstLock(other, lock()), { code: 'release.lock', why: /dpkg 1\.22\.21/ });
  assert.throws(() => checkAgainstLock(lock().packages.slice(1), lock()), { why: /dpkg/ });
});

const shippedFiles = [
  { name: 'root.img', sha256: 'ab'.repeat(32) },
  { name: 'holdfast.efi', sha256: 'cd'.repeat(32) },
];

test('the SBOM lists exactly the shipped packages', () => {
  const text = JSON.stringify(spdxDocument(lock(), '13.7.20261121', shippedFiles));
  assert.match(text, /pkg:deb\/debian\/libstdc%2B%2B6@14\.2\.0-19\?arch=amd64&distro=trixie/);
  assert.match(text, /"SPDXID":"SPDXRef-deb-libstdc-plus--plus-6"/);
  assert.doesNotMatch(text, /dpkg/);
  assert.equal(text, JSON.stringify(spdxDocument(lock(), '13.7.20261121', shippedFiles)));
});

/** What SPDX 2.3 requires of the fields that an SBOM of a release has: clauses 6, 7 and 11. */
const identifier = z.string().regex(/^SPDXRef-[A-Za-z0-9.-]+$/);
const assertion = z.literal('NOASSERTION');
const spdx = z.strictObject({
  spdxVersion: z.literal('SPDX-2.3'),
  dataLicense: z.literal('CC0-1.0'),
  SPDXID: z.literal('SPDXRef-DOCUMENT'),
  name: z.string().min(1),
  documentNamespace: z.string().regex(/^urn:[a-z0-9][a-z0-9-]+:[^#\s]+$/),
  creationInfo: z.strictObject({
    created: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    creators: z.array(z.string().regex(/^(?:Person|Organization|Tool): ./)).min(1),
  }),
  packages: z.array(
    z.strictObject({
      SPDXID: identifier,
      name: z.string().min(1),
      versionInfo: z.string().min(1),
      packageFileName: z.string().optional(),
      checksums: z
        .array(
          z.strictObject({
            algorithm: z.literal('SHA256'),
            checksumValue: z.string().regex(/^[0-9a-f]{64}$/),
          }),
        )
        .optional(),
      sourceInfo: z.string().optional(),
      supplier: z
        .string()
        .regex(/^Organization: ./)
        .optional(),
      downloadLocation: assertion,
      filesAnalyzed: z.literal(false),
      licenseConcluded: assertion,
      licenseDeclared: assertion,
      copyrightText: assertion,
      primaryPackagePurpose: z.enum(['OPERATING-SYSTEM', 'FILE']).optional(),
      externalRefs: z
        .array(
          z.strictObject({
            referenceCategory: z.literal('PACKAGE-MANAGER'),
            referenceType: z.literal('purl'),
            referenceLocator: z
              .string()
              .regex(/^pkg:deb\/debian\/[A-Za-z0-9.%+-]+@[A-Za-z0-9.%~-]+\?arch=[a-z0-9]+&distro=[a-z]+$/),
          }),
        )
        .optional(),
    }),
  ),
  relationships: z.array(
    z.strictObject({
      spdxElementId: identifier,
      relationshipType: z.enum(['DESCRIBES', 'CONTAINS']),
      relatedSpdxElement: identifier,
    }),
  ),
});

test('the SBOM is valid SPDX 2.3, and its relationships name what it has', () => {
  const { packages, relationships } = spdx.parse(spdxDocument(lock(), '13.7.20261121', shippedFiles));
  const identifiers = packages.map(({ SPDXID }) => SPDXID);
  assert.equal(new Set(identifiers).size, identifiers.length);
  assert.deepEqual(
    relationships.map(({ relatedSpdxElement }) => relatedSpdxElement).toSorted(),
    identifiers.toSorted(),
  );
  const files = packages.filter(({ primaryPackagePurpose }) => primaryPackagePurpose === 'FILE');
  assert.deepEqual(
    files.map(({ name, checksums }) => [name, checksums?.[0]?.checksumValue]),
    shippedFiles.map(({ name, sha256 }) => [name, sha256]),
  );
});

test('modules load after their dependencies', () => {
  const dependencies = [
    'kernel/md/dm-verity.ko: kernel/md/dm-bufio.ko kernel/md/dm-mod.ko',
    'kernel/md/dm-bufio.ko: kernel/md/dm-mod.ko',
    'kernel/md/dm-mod.ko:',
    'kernel/fs/overlay.ko:',
    '',
  ].join('\n');
  assert.deepEqual(moduleOrder(dependencies, ['dm_verity', 'overlay', 'dm-mod']), [
    'kernel/md/dm-mod.ko',
    'kernel/md/dm-bufio.ko',
    'kernel/md/dm-verity.ko',
    'kernel/fs/overlay.ko',
  ]);
  assert.throws(() => moduleOrder(dependencies, ['nvme']), /nvme/);
});

test('the sections of the UKI follow those of the stub', () => {
  const headers = [
    'SectionAlignment\t00001000',
    'Sections:',
    'Idx Name          Size      VMA               LMA               File off  Algn',
    '  0 .text         00011f10  000000014df91000  000000014df91000  00000400  2**4',
    '                  CONTENTS, ALLOC, LOAD, READONLY, CODE',
    '  1 .sbat         000000e8  000000014dfb2000  000000014dfb2000  00018e00  2**2',
  ].join('\n');
  assert.equal(freeAddress(headers), 0x14dfb3000n);
  assert.throws(() => freeAddress('no sections'), { code: 'release.stub' });
});

test('every input of a build changes its digest', () =>
  inScratch(async (directory) => {
    const digest = async () => {
      const hash = createHash('sha256');
      await digestTree(hash, directory);
      return hash.digest('hex');
    };
    const seen = new Set<string>();
    const changes = [
      () => writeFile(join(directory, 'a'), '1'),
      () => writeFile(join(directory, 'a'), '2'),
      () => chmod(join(directory, 'a'), 0o755),
      () => mkdir(join(directory, 'b')),
      () => symlink('a', join(directory, 'c')),
    ];
    for (const change of changes) {
      await change();
      seen.add(await digest());
    }
    assert.equal(seen.size, changes.length);
  }));

test("the initrd identifies the slots by the disk layout's partition UUIDs", async () => {
  const init = await readFile('image/initrd/init', 'utf8');
  const partitions = layout({ logSize: 'small', dataSize: (2 * GiB) as typeof GiB });
  for (const slot of ['A', 'B'] as const) {
    const line = init.split('\n').find((text) => text.endsWith(`slot=${slot} ;;`)) ?? '';
    for (const name of [slotPartitions[slot].loader, slotPartitions[slot].boot]) {
      const uuid = partitions.find((partition) => partition.name === name)?.uuid;
      assert.ok(uuid && line.includes(uuid), `${name} in ${line}`);
    }
  }
});
