import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { readAhead, readsOf } from '../base/read-ahead.ts';
import { blockSize, digestSize, type Geometry, layOut } from './geometry.ts';
import { withImageFile } from './image-file.ts';
import type { RootHash } from './root-hash.ts';
import { encodeSuperblock } from './superblock.ts';
import { buildTree, digestBlocks } from './tree.ts';

export interface FormattedImage {
  /** Size of the data in bytes, which is also the offset of the superblock. */
  readonly dataSize: number;
  readonly rootHash: RootHash;
}

/**
 * Appends the verity superblock and hash tree to an image file and flushes it to disk. The result
 * is identical, byte for byte, to that of `veritysetup format --salt=- --uuid=UUID
 * --hash-offset=SIZE FILE FILE`. On failure the file is unchanged.
 * @throws HoldfastError `verity.size` (empty, or not whole blocks), `verity.uuid`, `verity.io`.
 */
export async function formatImage(path: string, uuid: string): Promise<FormattedImage> {
  return withImageFile(path, constants.O_RDWR | constants.O_APPEND, async (file) => {
    const { size: dataSize } = await file.stat();
    const geometry = layOut(dataSize);
    const superblock = encodeSuperblock({ uuid, dataBlocks: geometry.dataBlocks });
    const { tree, root } = buildTree(geometry, await digestData(file, geometry));
    try {
      await file.appendFile(superblock);
      await file.appendFile(tree);
      await file.sync();
    } catch (error) {
      await file.truncate(dataSize);
      throw error;
    }
    return { dataSize, rootHash: root };
  });
}

async function digestData(file: FileHandle, { dataBlocks, dataSize }: Geometry): Promise<Buffer> {
  const digests = Buffer.alloc(dataBlocks * digestSize);
  for await (const { position, bytes } of readAhead(readsOf(file), dataSize))
    digests.set(digestBlocks(bytes), (position / blockSize) * digestSize);
  return digests;
}
