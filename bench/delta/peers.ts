import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { readAhead, readsOf } from '../../src/base/read-ahead.ts';
import { prefixesOf } from '../../src/delta/block-index.ts';
import { type Location, OldBlocks } from '../../src/delta/old-blocks.ts';
import { countMissing, planRuns } from '../../src/delta/plan.ts';
import { blockSize, digestSize } from '../../src/verity/geometry.ts';
import { digestBlocks } from '../../src/verity/tree.ts';

/** Two root images, without their verity trees, and a directory for what peers make of them. */
export interface Images {
  readonly older: string;
  readonly newer: string;
  readonly scratch: string;
}

/** What zchunk says that it would download. */
export async function zchunk({ older, newer, scratch }: Images): Promise<number> {
  const [from, to] = [join(scratch, 'older.zck'), join(scratch, 'newer.zck')];
  await run('zck', ['-o', from, older]);
  await run('zck', ['-o', to, newer]);
  const { stdout, stderr } = await run('zck_delta_size', [from, to]);
  const bytes = /Would download (\d+) of/.exec(stdout.toString() + stderr)?.[1];
  if (bytes === undefined) throw new Error('zck_delta_size says something new');
  return Number(bytes);
}

/** casync's index of the newer image, and the chunks that only it has. */
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
 * The least that RAUC's adaptive mode (block-hash-index) can fetch: the index, and the 4 KiB blocks that are nowhere in the
 * older image. Its bundle compresses them no further in pieces of that size, as the image is compressed already; larger
 * pieces would bring blocks along that are not needed. RAUC itself streams through the kernel's NBD, which needs root and
 * a module.
 */
export async function rauc({ older, newer }: Images): Promise<number> {
  const [had, wanted] = [await digestsOf(older), await digestsOf(newer)];
  const known = new OldBlocks();
  known.addDigests(had, 0 as Location);
  const index = { classes: new Uint8Array(wanted.length / digestSize), prefixes: prefixesOf(wanted) };
  return wanted.length + countMissing(planRuns(index, known)) * blockSize;
}

/** `zstd --patch-from` over the whole image, at its highest ordinary level. */
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
