import { readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import * as z from 'zod';
import { failure } from '../../base/errors.ts';
import { run } from '../../base/process.ts';
import type { Bytes } from '../../base/size.ts';
import type { DiskImages, Range } from '../../disk/image.ts';
import { syncFile, withScratch } from '../../disk/scratch.ts';
import { optionList } from './arguments.ts';
import { withImage } from './image-device.ts';

const imageInformation = z.object({ 'virtual-size': z.int().positive(), format: z.string() });

/**
 * Returns the size of the disk in a qcow2 file.
 * @throws HoldfastError `disk.image` when it is not a qcow2 file, `process.failed` when qemu-img cannot read it.
 */
export async function imageSize(path: string): Promise<Bytes> {
  const { stdout } = await run('qemu-img', [
    'info',
    '--force-share',
    '--output=json',
    '-f',
    'qcow2',
    resolve(path),
  ]);
  const parsed = imageInformation.safeParse(JSON.parse(stdout.toString()));
  if (!parsed.success) {
    throw failure('disk.image', `cannot use ${path} as a disk`, {
      why: 'qemu-img reports no size',
    });
  }
  return parsed.data['virtual-size'] as Bytes;
}

/** Enlarges the disk in a qcow2 file. qemu-img rejects a smaller size. */
async function enlargeImage(path: string, size: Bytes): Promise<void> {
  await run('qemu-img', ['resize', '-q', '-f', 'qcow2', resolve(path), String(size)]);
}

/** Reads a part of the disk in a qcow2 file. */
export async function readImage(path: string, range: Range): Promise<Buffer> {
  return withScratch(path, async (scratch) => {
    const file = join(scratch, 'part');
    const flags = ['--force-share', '--image-opts', '-O', 'raw'];
    await run('qemu-img', ['convert', ...flags, rangeOptions(path, range), file]);
    return readFile(file);
  });
}

/** Writes a part of the disk in a qcow2 file, and flushes it. */
export async function writeImage(path: string, offset: number, data: Buffer): Promise<void> {
  await withScratch(path, async (scratch) => {
    const file = join(scratch, 'part');
    await writeFile(file, data);
    const target = rangeOptions(path, { offset, length: data.length });
    const flags = ['-n', '-t', 'writethrough', '-f', 'raw', '--target-image-opts'];
    await run('qemu-img', ['convert', ...flags, file, target]);
  });
}

/** Returns a window into a qcow2 file, in the form of `--image-opts`. */
function rangeOptions(path: string, { offset, length }: Range): string {
  const file = { 'file.driver': 'qcow2', 'file.file.driver': 'file', 'file.file.filename': resolve(path) };
  return optionList('', { driver: 'raw', offset, size: length, ...file });
}

/** Makes a qcow2 file from a raw one and a backing file. */
async function createImage(path: string, raw: string, base: string): Promise<void> {
  await withScratch(path, async (scratch) => {
    const image = join(scratch, 'qcow2');
    await run('qemu-img', ['convert', '-q', '-S', '4k', '-f', 'raw', '-O', 'qcow2', raw, image]);
    // the clusters that the conversion left out because they are zero now show the base image
    const backing = relative(dirname(resolve(path)), resolve(base));
    await run('qemu-img', ['rebase', '-q', '-u', '-f', 'qcow2', '-F', 'raw', '-b', backing, image]);
    await syncFile(image); // the conversion itself flushes nothing, which makes it quick
    await rename(image, path);
  });
}

/** Disks in qcow2 files. */
export const qcow2Images: DiskImages = {
  create: createImage,
  size: imageSize,
  enlarge: enlargeImage,
  read: readImage,
  write: writeImage,
  open: withImage,
};
