import type { ErrorCode } from '../base/error-codes.ts';
import { failure, type HoldfastError } from '../base/errors.ts';
import { type ReadAt, readAhead, readsOf } from '../base/read-ahead.ts';
import { blockSize, digestSize, layOut } from './geometry.ts';
import { withImageFile } from './image-file.ts';
import type { RootHash } from './root-hash.ts';
import { decodeSuperblock } from './superblock.ts';
import { digestBlocks, findBadTreeBlock, findDifference, leavesOf } from './tree.ts';

/** An image as the release manifest describes it. */
export interface ExpectedImage {
  /** Size in bytes of the data before the superblock. */
  readonly dataSize: number;
  readonly uuid: string;
  readonly rootHash: RootHash;
}

/**
 * Verifies an image file: its size, and every byte as `verifyContent` does.
 * @throws HoldfastError `verity.size`, `verity.io` when unreadable, and those of `verifyContent`.
 */
export async function verifyImage(path: string, expected: ExpectedImage): Promise<void> {
  const { imageSize } = layOut(expected.dataSize);
  await withImageFile(path, 'r', async (file) => {
    const { size } = await file.stat();
    if (size !== imageSize)
      throw damaged('verity.size', path, `it has ${size} bytes instead of ${imageSize}`);
    await verifyContent(readsOf(file), path, expected);
  });
}

/**
 * Verifies every byte of an image: the superblock, the tree from the root hash downward, the data.
 * The error names the first bad block in that order. Keeps the tree in memory, 1/128 of the data.
 * @param name name of the image, for errors.
 * @throws HoldfastError `verity.superblock`, `verity.tree`, `verity.data`; errors of `readAt`.
 */
export async function verifyContent(readAt: ReadAt, name: string, expected: ExpectedImage): Promise<void> {
  const geometry = layOut(expected.dataSize);
  const { uuid, dataBlocks } = decodeSuperblock(
    await readAt(Buffer.alloc(blockSize), geometry.dataSize),
    name,
  );
  // The root hash does not cover the superblock. The kernel does not read it, but other tools do
  if (uuid !== expected.uuid.toLowerCase() || dataBlocks !== geometry.dataBlocks) {
    const why = `its superblock is for UUID ${uuid} and ${dataBlocks} data blocks`;
    throw damaged('verity.superblock', name, `${why}, not ${expected.uuid} and ${geometry.dataBlocks}`);
  }

  const tree = await readAt(Buffer.alloc(geometry.treeBlocks * blockSize), geometry.treeOffset);
  const badInTree = findBadTreeBlock(geometry, tree, expected.rootHash);
  if (badInTree !== undefined) {
    const { level, index } = badInTree;
    const parent = level === geometry.levels.length - 1 ? 'the root hash' : `level ${level + 1}`;
    throw damaged('verity.tree', name, `block ${index} of tree level ${level} does not match ${parent}`);
  }

  const leaves = leavesOf(geometry, tree, expected.rootHash);
  for await (const { position, bytes } of readAhead(readAt, geometry.dataSize)) {
    const firstBlock = position / blockSize;
    const bad = findDifference(digestBlocks(bytes), leaves.subarray(firstBlock * digestSize));
    if (bad !== undefined)
      throw damaged('verity.data', name, `data block ${firstBlock + bad} does not match its digest`);
  }
}

function damaged(code: ErrorCode, path: string, why: string): HoldfastError {
  return failure(code, `verification of ${path} failed`, {
    why,
    next: 'obtain the file again from its source',
  });
}
