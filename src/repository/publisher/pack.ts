import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import type { BlockIndex } from '../../delta/block-index.ts';
import { OldBlocks, unitsPerBlock } from '../../delta/old-blocks.ts';
import { encodePart, partsOf } from '../../delta/pack-codec.ts';
import { encodePlan } from '../../delta/pack-plan.ts';
import { planRuns } from '../../delta/plan.ts';
import { readContext } from '../../delta/rebuild.ts';
import type { RowReader } from '../../delta/row-reader.ts';
import { type ReleaseManifest, sha256 } from '../../release/manifest.ts';
import type { FrameDescription } from '../catalog.ts';
import { addRelease } from '../release-row.ts';
import { sha256Of } from '../signed-metadata.ts';

const compress = promisify(zstdCompress);

/**
 * Writes a pack: the plan from one release to another, then the new blocks, compressed with the
 * replaced content as dictionary.
 * @param path file to create.
 * @returns the plan and the parts in file order.
 */
export async function writePack(
  path: string,
  old: { readonly row: RowReader; readonly manifest: ReleaseManifest },
  row: RowReader,
  index: BlockIndex,
  signal: AbortSignal,
): Promise<FrameDescription[]> {
  const blocks = new OldBlocks();
  await addRelease(blocks, old.row, old.manifest);
  const runs = planRuns(index, blocks);
  const context = await readContext(runs, old.row);
  const described: FrameDescription[] = [];
  const file = await open(path, 'wx');
  const append = async (bytes: Buffer) => {
    await file.appendFile(bytes);
    described.push({ size: bytes.length, sha256: sha256.parse(sha256Of(bytes)) });
  };
  try {
    await append(await compress(encodePlan(runs)));
    for (const part of partsOf(runs)) {
      signal.throwIfAborted();
      const data: Buffer[] = [];
      for (const block of part) data.push(await row.read(block * unitsPerBlock, unitsPerBlock));
      await append(await encodePart(Buffer.concat(data), context));
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return described;
}
