import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { failure } from '../base/errors.ts';
import { run } from '../base/process.ts';
import type { Bytes } from '../base/size.ts';

/** A byte range of a disk. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

const imageInformation = z.object({ 'virtual-size': z.int().positive(), format: z.string() });

/**
 * Returns the size of the disk in a qcow2 file, also while a machine runs from it.
 * @throws HoldfastError `disk.image` when qemu-img reports no size, `process.failed` when it cannot read the file.
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
      why: 'qemu-img reports no size for it',
    });
  }
  return parsed.data['virtual-size'] as Bytes;
}

/** Enlarges the disk; the new part reads as zeros. qemu-img rejects a smaller size. */
export async function enlargeImage(path: string, size: Bytes): Promise<void> {
  await run('qemu-img', ['resize', '-q', '-f', 'qcow2', resolve(path), String(size)]);
}

/**
 * Reads a range of the disk in a qcow2 file. While a machine runs from it, its writes can be missing or incomplete; data that
 * it does not change is correct.
 */
export async function readImage(path: string, range: Range): Promise<Buffer> {
  return withScratch(path, async (scratch) => {
    const file = join(scratch, 'part');
    const flags = ['--force-share', '--image-opts', '-O', 'raw'];
    await run('qemu-img', ['convert', ...flags, rangeOptions(path, range), file]);
    return readFile(file);
  });
}

/** Writes a range of the disk in a qcow2 file. Resolves when the data is on stable storage. */
export async function writeImage(path: string, offset: number, data: Buffer): Promise<void> {
  await withScratch(path, async (scratch) => {
    const file = join(scratch, 'part');
    await writeFile(file, data);
    const target = rangeOptions(path, { offset, length: data.length });
    const flags = ['-n', '-t', 'writethrough', '-f', 'raw', '--target-image-opts'];
    await run('qemu-img', ['convert', ...flags, file, target]);
  });
}

/** Runs `work` with a temporary directory next to `path`, so that large files stay on the same file system. */
export async function withScratch<T>(path: string, work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(dirname(resolve(path)), '.disk-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Flushes a file to stable storage. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Returns QEMU's option string for a range of the disk in a qcow2 file. */
function rangeOptions(path: string, { offset, length }: Range): string {
  const file = { 'file.driver': 'qcow2', 'file.file.driver': 'file', 'file.file.filename': resolve(path) };
  return optionString({ driver: 'raw', offset, size: length, ...file });
}

/** Encodes image options for QEMU's tools. A comma in a value is written twice. */
export function optionString(options: Readonly<Record<string, string | number>>): string {
  return Object.entries(options)
    .map(([key, value]) => `${key}=${String(value).replaceAll(',', ',,')}`)
    .join(',');
}
