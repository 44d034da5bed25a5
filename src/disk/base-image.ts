import { chmod, open, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { failure } from '../base/errors.ts';
import { syncDirectory, writeAll } from '../base/files.ts';
import { run } from '../base/process.ts';
import { readAhead, readsOf } from '../base/read-ahead.ts';
import { type Bytes, formatSize, KiB, MiB } from '../base/size.ts';
import { type Partition, sectorSize, slotPartition, ukiPaths } from './layout.ts';
import { syncFile, withScratch } from './scratch.ts';

export interface BaseImage {
  /** Where the raw file is made. */
  readonly path: string;
  /** Signed unified kernel image: goes to BootA. */
  readonly uki: string;
  /** The one for who switched verity off: beside it. */
  readonly unverifiedUki: string;
  /** Root file system with its verity tree: goes to RootFS-A as it is. */
  readonly root: string;
  /** Signed loader for a machine whose variables were lost: goes to BootEFIA. */
  readonly loader: string;
  /** Seconds since 1970: of every file inside. */
  readonly sourceDateEpoch: number;
}

/** Where firmware without variables looks (UEFI specification 2.10, section 3.5.1.1). */
export const removableMediaPath = '\\EFI\\BOOT\\BOOTX64.EFI';

/** A FAT file system with few files in it. */
interface BootFileSystem {
  readonly partition: Partition;
  readonly label: string;
  /** FAT16 has 4085 to 65524 clusters (Microsoft FAT specification, section 3.5); few large ones are read quickest. */
  readonly sectorsPerCluster: number;
  /** Source by target, which is as firmware writes paths. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Makes the image that all machines of a release share: what slot A holds, without a partition table. Nothing in it names
 * the slot, so that an update writes the same bytes into either. The same input gives the same bytes. Sparse; written
 * once, then read only.
 * @throws HoldfastError `disk.too-large` when a file does not fit its partition, `disk.source` when it is no file;
 *   `process.failed`.
 */
export async function createBaseImage({
  path,
  uki,
  unverifiedUki,
  root,
  loader,
  sourceDateEpoch,
}: BaseImage): Promise<void> {
  const rootPartition = slotPartition('A', 'root');
  const fileSystems: readonly BootFileSystem[] = [
    {
      partition: slotPartition('A', 'loader'),
      label: 'BOOTEFI',
      sectorsPerCluster: 2,
      files: { [removableMediaPath]: loader },
    },
    {
      partition: slotPartition('A', 'boot'),
      label: 'BOOT',
      sectorsPerCluster: 8,
      files: { [ukiPaths.on]: uki, [ukiPaths.off]: unverifiedUki },
    },
  ];
  for (const { files, partition } of fileSystems) await checkFits(Object.values(files), partition);
  const rootSize = await checkFits([root], rootPartition);
  await withScratch(path, async (scratch) => {
    const image = join(scratch, 'raw');
    await writeFile(image, '');
    await truncate(image, Math.ceil((rootPartition.offset + rootSize) / MiB) * MiB);
    for (const fileSystem of fileSystems) await writeBootFileSystem(image, fileSystem, sourceDateEpoch);
    await copyInto(image, root, rootPartition.offset);
    await syncFile(image);
    await chmod(image, 0o444);
    await rename(image, path);
  });
  await syncDirectory(dirname(resolve(path)));
}

async function copyInto(image: string, source: string, offset: number): Promise<void> {
  const [from, to] = [await open(source, 'r'), await open(image, 'r+')];
  try {
    const { size } = await from.stat();
    for await (const { position, bytes } of readAhead(readsOf(from), size))
      await writeAll(to, bytes, offset + position);
  } finally {
    await Promise.all([from.close(), to.close()]);
  }
}

async function writeBootFileSystem(image: string, fileSystem: BootFileSystem, epoch: number): Promise<void> {
  const { partition, label, sectorsPerCluster } = fileSystem;
  const place = ['--offset', String(partition.offset / sectorSize)];
  const format = ['-F', '16', '-s', String(sectorsPerCluster), '-n', label, '--invariant'];
  await run('mkfs.fat', [...format, ...place, image, String(partition.size / KiB)]);
  // mtools takes the time of new files from SOURCE_DATE_EPOCH, and writes local time.
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(epoch), TZ: 'UTC', MTOOLSRC: '/dev/null' };
  const drive = ['-i', `${image}@@${partition.offset}`];
  const files = Object.entries(fileSystem.files).map(
    ([target, source]) => [resolve(source), target.split('\\').filter((name) => name !== '')] as const,
  );
  const directories = files.flatMap(([, names]) =>
    names.slice(0, -1).map((_, index) => `::/${names.slice(0, index + 1).join('/')}`),
  );
  await run('mmd', [...drive, ...new Set(directories)], { env });
  for (const [source, names] of files)
    await run('mcopy', [...drive, source, `::/${names.join('/')}`], { env });
}

/** The files' size, when the partition has room for them. FAT's own tables need a little too: 1 in 64 is plenty. */
async function checkFits(paths: readonly string[], { name, size }: Partition): Promise<Bytes> {
  let total = 0;
  for (const path of paths) {
    const file = await stat(path);
    if (!file.isFile()) {
      throw failure('disk.source', `${path} cannot go into ${name}`, { why: 'it is no file' }); // mcopy would skip it
    }
    total += file.size;
  }
  const room = name.startsWith('Boot') ? size - size / 64 : size;
  if (total <= room) return total as Bytes;
  throw failure(
    'disk.too-large',
    `${paths.join(' and ')} ${paths.length > 1 ? 'do' : 'does'} not fit into ${name}`,
    {
      why: `${formatSize(total)} are needed; there is room for ${formatSize(room)}`,
      next: 'build the release with less in it',
    },
  );
}
