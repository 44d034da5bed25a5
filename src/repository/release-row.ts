import { join } from 'node:path';
import { MiB } from '../base/size.ts';
import { type ContentFile, placeFiles } from '../delta/content.ts';
import { type Location, type OldBlocks, unitsPerBlock } from '../delta/old-blocks.ts';
import { RowReader } from '../delta/row-reader.ts';
import type { ReleaseManifest } from '../release/manifest.ts';
import { blockSize, digestSize } from '../verity/geometry.ts';
import { digestBlocks } from '../verity/tree.ts';
import { copiedFiles } from './catalog.ts';

/** Blocks read at once. */
const readBlocks = MiB / blockSize;

/** Opens files in the directory of a release as one row. */
export function openReleaseRow(directory: string, files: readonly ContentFile[]): Promise<RowReader> {
  return RowReader.open(files.map(({ name, size }) => ({ path: join(directory, name), offset: 0, size })));
}

/** Computes the digests of all blocks of a row. */
export async function digestRow(row: RowReader): Promise<Buffer> {
  const blocks = row.units / unitsPerBlock;
  const digests = Buffer.alloc(blocks * digestSize);
  for (let block = 0; block < blocks; block += readBlocks) {
    const length = Math.min(readBlocks, blocks - block);
    const bytes = await row.read(block * unitsPerBlock, length * unitsPerBlock);
    digests.set(digestBlocks(bytes), block * digestSize);
  }
  return digests;
}

/**
 * Adds the content of a release to the copy sources: the root by whole blocks, the boot images at
 * any unit.
 * @param row contains the `copiedFiles` of the release, starting at unit `start`.
 */
export async function addRelease(
  old: OldBlocks,
  row: RowReader,
  manifest: ReleaseManifest,
  start = 0,
): Promise<void> {
  const [root, ...bootImages] = placeFiles(copiedFiles(manifest));
  if (!root) return;
  for (let block = 0; block < root.blocks; block += readBlocks) {
    const length = Math.min(readBlocks, root.blocks - block);
    const bytes = await row.read(start + block * unitsPerBlock, length * unitsPerBlock);
    old.addDigests(digestBlocks(bytes), (start + block * unitsPerBlock) as Location);
  }
  for (const { firstBlock, blocks } of bootImages) {
    const first = start + firstBlock * unitsPerBlock;
    old.addUnaligned(await row.read(first, blocks * unitsPerBlock), first as Location);
  }
}
