import { chmod, open, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { hostArchitecture } from '../base/architecture.ts';
import { failure } from '../base/errors.ts';
import { syncDirectory, writeAll } from '../base/files.ts';
import { run } from '../base/process.ts';
import { readAhead, readsOf } from '../base/read-ahead.ts';
import { type Bytes, formatSize, KiB, MiB } from '../base/size.ts';
import { type Partition, sectorSize, slotPartition, ukiPaths } from './layout.ts';
import { syncFile, withScratch } from './scratch.ts';

export interface BaseImage {
  /** Path of the raw file to create. */
  readonly path: string;
  /** Signed unified kernel image, for BootA. */
  readonly uki: string;
  /** Signed UKI that starts the root without verity, also for BootA. */
  readonly unverifiedUki: string;
  /** Root file system with its verity tree, copied unchanged to RootFS-A. */
  readonly root: string;
  /** Signed fallback loader for a machine that lost its UEFI variables, for BootEFIA. */
  readonly loader: string;
  /** Time of every file in the image, in seconds since 1970. */
  readonly sourceDateEpoch: number;
}

/**
 * The default path of the firmware when no boot variables exist (UEFI specification 2.10, section
 * 3.5.1.1).
 */
export const removableMediaPath = `\\EFI\\BOOT\\BOOT${hostArchitecture.efiSuffix.toUpperCase()}.EFI`;

/** A FAT file system with a few files. */
interface BootFileSystem {
  readonly partition: Partition;
  readonly label: string;
  /**
   * FAT16 has 4085 to 65524 clusters (Microsoft FAT specification, section 3.5). Few large ones are
   * read fastest.
   */
  readonly sectorsPerCluster: number;
  /** Source path by target path, which has the form of UEFI. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Creates the image that all machines of a release share: the content of slot A, without a
 * partition table. It does not name the slot, so an update writes the same bytes into either slot.
 * Reproducible; sparse; written once, then read-only.
 * @throws HoldfastError `disk.too-large` when a file does not fit its partition, `disk.source` when
 *   it is not a regular file; `process.failed`.
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
  // mtools takes the time of new files from SOURCE_DATE_EPOCH and writes local time
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

/**
 * Returns the size of the files if they fit the partition. 1/64 of it is reserved for the tables of
 * FAT, which need less.
 */
async function checkFits(paths: readonly string[], { name, size }: Partition): Promise<Bytes> {
  let total = 0;
  for (const path of paths) {
    const file = await stat(path);
    if (!file.isFile()) {
      throw failure('disk.source', `cannot write ${path} to ${name}`, { why: 'it is not a regular file' }); // mcopy would skip it
    }
    total += file.size;
  }
  const room = name.startsWith('Boot') ? size - size / 64 : size;
  if (total <= room) return total as Bytes;
  throw failure(
    'disk.too-large',
    `${paths.join(' and ')} ${paths.length > 1 ? 'do' : 'does'} not fit into ${name}`,
    {
      why: `${formatSize(total)} are needed, ${formatSize(room)} are available`,
      next: 'build a smaller release',
    },
  );
}
