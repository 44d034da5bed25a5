import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { readAhead, readsOf } from '../../src/base/read-ahead.ts';
import { prefixesOf } from '../../src/delta/block-index.ts';
import { type Location, OldBlocks } from '../../src/delta/old-blocks.ts';
import { countMissing, planRuns } from '../../src/delta/plan.ts';
import { blockSize, digestSize } from '../../src/verity/geometry.ts';
import { digestBlocks } from '../../src/verity/tree.ts';

/** Two root images without their verity trees, and a directory for the files of the peers. */
export interface Images {
  readonly older: string;
  readonly newer: string;
  readonly scratch: string;
}

/** Returns the size of the download that zchunk reports. */
export async function zchunk({ older, newer, scratch }: Images): Promise<number> {
  const [from, to] = [join(scratch, 'older.zck'), join(scratch, 'newer.zck')];
  await run('zck', ['-o', from, older]);
  await run('zck', ['-o', to, newer]);
  const { stdout, stderr } = await run('zck_delta_size', [from, to]);
  const bytes = /Would download (\d+) of/.exec(stdout.toString() + stderr)?.[1];
  if (bytes === undefined) throw new Error('unexpected output of zck_delta_size');
  return Number(bytes);
}

/** Returns the size of casync's index of the newer image and of the chunks that only it has. */
export async function casync({ older, newer, scratch }: Images): Promise<number> {
  const make = async (image: string, store: string) => {
    await rm(store, { recursive: true, force: true });
    await mkdir(store);
    await run('casync', ['make', `--store=${store}`, `${store}.caibx`, image]);
    const files = (await readdir(store, { recursive: true, withFileTypes: true })).filter((file) =>
      file.isFile(),
    );
    const sizes = files.map(async (file) => {
      return [file.name, (await stat(join(file.parentPath, file.name))).size] as const;
    });
    return new Map(await Promise.all(sizes));
  };
  const had = await make(older, join(scratch, 'older'));
  const wanted = await make(newer, join(scratch, 'newer'));
  const chunks = [...wanted].reduce((sum, [name, size]) => sum + (had.has(name) ? 0 : size), 0);
  return chunks + (await stat(join(scratch, 'newer.caibx'))).size;
}

/**
 * Returns the least that RAUC's adaptive mode (block-hash-index) can fetch: the index, and the 4 KiB blocks that the older
 * image lacks. The bundle does not compress such pieces further, as the image is compressed already, and larger pieces
 * would include unneeded blocks. RAUC itself streams through the kernel's NBD, which needs root and a module.
 */
export async function rauc({ older, newer }: Images): Promise<number> {
  const [had, wanted] = [await digestsOf(older), await digestsOf(newer)];
  const known = new OldBlocks();
  known.addDigests(had, 0 as Location);
  const index = { classes: new Uint8Array(wanted.length / digestSize), prefixes: prefixesOf(wanted) };
  return wanted.length + countMissing(planRuns(index, known)) * blockSize;
}

/** Returns the size of `zstd --patch-from` for the whole image, at the highest regular level. */
export async function zstdPatch({ older, newer, scratch }: Images): Promise<number> {
  const patch = join(scratch, 'patch.zst');
  await run('zstd', ['-19', '--long=27', '--quiet', '--force', `--patch-from=${older}`, newer, '-o', patch]);
  return (await stat(patch)).size;
}

async function digestsOf(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const digests: Buffer[] = [];
    for await (const { bytes } of readAhead(readsOf(file), size)) digests.push(digestBlocks(bytes));
    return Buffer.concat(digests);
  } finally {
    await file.close();
  }
}
