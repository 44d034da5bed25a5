import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { type Bytes, GiB, KiB, MiB, TiB } from '../../src/base/size.ts';
import { type BaseImage, createBaseImage } from '../../src/disk/base-image.ts';
import { currentTable, growDataPartition, readTables } from '../../src/disk/growth.ts';
import type { Range } from '../../src/disk/image.ts';
import { type DiskSizes, diskSize, layout, partitionNamed, slotPartition } from '../../src/disk/layout.ts';
import { createMachineDisk } from '../../src/disk/machine-disk.ts';
import { qcow2Images, readImage } from '../../src/hypervisor/qemu/disk-image.ts';

// as users have it on Debian: without sbin
process.env.PATH = '/usr/local/bin:/usr/bin:/bin';

const directory = mkdtempSync(join(tmpdir(), "holdfast-disk, it's "));
after(() => rmSync(directory, { recursive: true }));
mkdirSync(join(directory, 'release'));
mkdirSync(join(directory, 'machine'));

const small: DiskSizes = { logSize: 'small', dataSize: (2 * GiB) as Bytes };
const largest: DiskSizes = { logSize: 'large', dataSize: (2 * TiB) as Bytes };
const release: BaseImage = {
  path: join(directory, 'release', 'base.raw'),
  uki: source('uki', 'a kernel'.repeat(100_000)),
  unverifiedUki: source('unverified-uki', 'another kernel'.repeat(100_000)),
  root: source('root', 'the root'.repeat(64 * 1024)),
  loader: source('loader', 'a loader'),
  sourceDateEpoch: 1_700_000_000,
};
await createBaseImage(release);

/** Reads a range of a file that is too large to be read whole. */
async function part(path: string, { offset, length }: Range): Promise<Buffer> {
  const handle = await open(path);
  try {
    return (await handle.read(Buffer.alloc(length), 0, length, offset)).buffer;
  } finally {
    await handle.close();
  }
}

function source(name: string, content: string): string {
  const path = join(directory, 'release', name);
  writeFileSync(path, content);
  return path;
}

async function newDisk(name: string, sizes: DiskSizes): Promise<string> {
  const path = join(directory, 'machine', name);
  await createMachineDisk(qcow2Images, { path, base: release.path, ...sizes });
  return path;
}

test('the base image has each file where firmware and kernel look for it', async () => {
  const places = [
    ['loader', '::/EFI/BOOT/BOOTX64.EFI', release.loader],
    ['boot', '::/EFI/Linux/holdfast.efi', release.uki],
    ['boot', '::/EFI/Holdfast/unverified.efi', release.unverifiedUki],
  ] as const;
  for (const [part, path, original] of places) {
    const { stdout } = await run('mtype', [
      '-i',
      `${release.path}@@${slotPartition('A', part).offset}`,
      path,
    ]);
    assert.ok(stdout.equals(readFileSync(original)), path);
  }
  const { offset } = slotPartition('A', 'root');
  const root = readFileSync(release.root);
  assert.ok(
    readFileSync(release.path)
      .subarray(offset, offset + root.length)
      .equals(root),
  );
  assert.equal(statSync(release.path).mode & 0o777, 0o444);
});

test('the fallback loader finds the verified UKI only', async () => {
  const { offset } = slotPartition('A', 'boot');
  const { stdout } = await run('mdir', ['-b', '-i', `${release.path}@@${offset}`, '::/EFI/Linux']);
  assert.equal(stdout.toString().trim(), '::/EFI/Linux/holdfast.efi');
});

test('the file systems of the base image pass fsck', async () => {
  for (const name of ['loader', 'boot'] as const) {
    const { offset, size } = slotPartition('A', name);
    const path = join(directory, name);
    const copy = await part(release.path, { offset, length: size });
    writeFileSync(path, copy);
    await run('fsck.fat', ['-n', path]);
    assert.equal(copy.toString('latin1', 54, 59), 'FAT16');
  }
});

test('the same release gives the same base image in any time zone', async () => {
  const again = join(directory, 'release', 'again.raw');
  const zone = process.env.TZ;
  process.env.TZ = 'Asia/Tokyo';
  try {
    await createBaseImage({ ...release, path: again });
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
  await run('cmp', [again, release.path]);
});

test('rejects a file that is too large and leaves no files behind', async () => {
  const limits = { loader: 8 * MiB, uki: 192 * MiB, unverifiedUki: 189 * MiB, root: 4 * GiB + 1 };
  for (const [which, size] of Object.entries(limits)) {
    const large = source('large', '');
    await truncate(large, size);
    const path = join(directory, 'release', 'none.raw');
    await assert.rejects(createBaseImage({ ...release, path, [which]: large }), { code: 'disk.too-large' });
    rmSync(large);
  }
  const notAFile = join(directory, 'machine');
  await assert.rejects(
    createBaseImage({ ...release, path: join(directory, 'release', 'none.raw'), uki: notAFile }),
    {
      code: 'disk.source',
    },
  );
  assert.deepEqual(readdirSync(join(directory, 'release')).sort(), [
    'again.raw',
    'base.raw',
    'loader',
    'root',
    'uki',
    'unverified-uki',
  ]);
});

test('the disk of a machine takes little space on the host and has its file systems', async () => {
  for (const sizes of [small, largest]) {
    const path = await newDisk(`disk-${sizes.logSize}`, sizes);
    assert.ok(statSync(path).blocks * 512 < 64 * MiB, `${statSync(path).blocks / 2} KB`);
    const tables = await readTables(qcow2Images, path);
    assert.equal(tables.size, diskSize(sizes));
    assert.deepEqual(currentTable(tables).partitions, layout(sizes));
    const labels = { Log: 'log', Data: 'data' };
    for (const name of ['Log', 'Data'] as const) {
      const { offset, size } = partitionNamed(layout(sizes), name);
      const superblock = await readImage(path, { offset: offset + 1024, length: 1024 });
      assert.equal(superblock.readUInt16LE(0x38), 0xef53);
      assert.equal(superblock.readUInt32LE(0x04) * 4096, size);
      assert.equal(superblock.toString('latin1', 0x78, 0x88).replace(/\0*$/, ''), labels[name]);
    }
  }
  assert.deepEqual(readdirSync(join(directory, 'machine')).sort(), ['disk-large', 'disk-small']);
});

test('the file systems of a new disk pass e2fsck', async () => {
  const path = join(directory, 'machine', 'disk-small');
  for (const name of ['Log', 'Data'] as const) {
    const { offset, size } = partitionNamed(layout(small), name);
    const copy = join(directory, name);
    const file = path.replaceAll(',', ',,');
    const options = `driver=raw,offset=${offset},size=${size},file.driver=qcow2,file.file.filename=${file}`;
    await run('qemu-img', ['convert', '--image-opts', '-O', 'raw', options, copy]);
    await run('e2fsck', ['-f', '-n', copy]);
    rmSync(copy);
  }
});

test('the disk shows the base image where the machine has written nothing', async () => {
  const path = join(directory, 'machine', 'disk-small');
  const root = readFileSync(release.root);
  const shown = await readImage(path, { offset: slotPartition('A', 'root').offset, length: root.length });
  assert.ok(shown.equals(root));
  const other = await readImage(path, { offset: slotPartition('B', 'root').offset, length: MiB });
  assert.ok(other.equals(Buffer.alloc(MiB)));
});

test('the disk refers to the base image by a relative path, so that both can be moved together', async () => {
  const { stdout } = await run('qemu-img', [
    'info',
    '--output=json',
    join(directory, 'machine', 'disk-small'),
  ]);
  assert.equal(JSON.parse(stdout.toString())['backing-filename'], '../release/base.raw');
});

test('grows Data in place, and rejects a smaller size without a change', async () => {
  const path = await newDisk('grows', small);
  const grown: DiskSizes = { ...small, dataSize: (5 * GiB) as Bytes };
  await growDataPartition(qcow2Images, { path, ...grown });
  const once = readFileSync(path);
  await growDataPartition(qcow2Images, { path, ...grown });
  await assert.rejects(growDataPartition(qcow2Images, { path, ...small }), { code: 'disk.shrink' });
  assert.ok(readFileSync(path).equals(once));
  assert.deepEqual(currentTable(await readTables(qcow2Images, path)).partitions, layout(grown));
  await run('qemu-img', ['check', '-q', path]);
});

test('leaves Log and Data of an encrypted machine empty', async () => {
  const path = join(directory, 'machine', 'encrypted');
  await createMachineDisk(qcow2Images, { path, base: release.path, encrypted: true, ...small });
  for (const { name, offset } of layout(small)) {
    if (name !== 'Data' && name !== 'Log') continue;
    const head = await readImage(path, { offset, length: 64 * KiB });
    assert.ok(head.equals(Buffer.alloc(64 * KiB)), name);
  }
});

test('a failure in the last step leaves no files behind', async () => {
  const before = readdirSync(directory);
  await assert.rejects(
    createMachineDisk(qcow2Images, { path: join(directory, 'release'), base: release.path, ...small }),
    {
      code: 'EISDIR',
    },
  );
  assert.deepEqual(readdirSync(directory), before);
});

test('rejects a file that is not a disk', async () => {
  const path = join(directory, 'machine', 'none');
  await assert.rejects(
    createMachineDisk(qcow2Images, {
      path: join(directory, 'nowhere', 'disk'),
      base: release.path,
      ...small,
    }),
  );
  await assert.rejects(growDataPartition(qcow2Images, { path, ...small }), { code: 'process.failed' });
  writeFileSync(path, 'no qcow2');
  await assert.rejects(growDataPartition(qcow2Images, { path, ...small }), { code: 'process.failed' });
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', path, '20G']);
  await assert.rejects(growDataPartition(qcow2Images, { path, ...small }), { code: 'disk.partitions' });
});
