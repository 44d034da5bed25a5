import { open } from 'node:fs/promises';
import { formatImage } from '../../src/verity/format.ts';
import { blockSize } from '../../src/verity/geometry.ts';
import type { ExpectedImage } from '../../src/verity/verify.ts';

export const uuid = '2d1f6c0a-5a0e-4b1e-9b0c-6f1d8a7e4c35';

/** Creates a sparse image at `path` whose blocks differ; most of each block is zeros. */
export async function formattedImage(
  path: string,
  blocks: number,
): Promise<{ path: string; expected: ExpectedImage }> {
  const file = await open(path, 'w');
  try {
    await file.truncate(blocks * blockSize);
    for (let block = 0; block < blocks; block += Math.ceil(blocks / 500))
      await file.write(`block ${block}`, block * blockSize + (block % 4000));
  } finally {
    await file.close();
  }
  return { path, expected: { uuid, ...(await formatImage(path, uuid)) } };
}
