import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { blockSize, digestSize, layOut } from '../../../src/verity/geometry.ts';
import type { RootHash } from '../../../src/verity/root-hash.ts';
import {
  buildTree,
  digestBlocks,
  findBadTreeBlock,
  findDifference,
  leavesOf,
} from '../../../src/verity/tree.ts';

/** Numbers of data blocks around those at which the tree gets another block or level. */
const edges = [1, 2, 127, 128, 129, 255, 256, 257, 16_383, 16_384, 16_385, 16_512, 16_513];
const sizes = fc.oneof(fc.constantFrom(...edges), fc.integer({ min: 1, max: 50_000 }));

test('places the levels one after the other, the level below the root hash first', () => {
  const levels = (dataBlocks: number) => layOut(dataBlocks * blockSize).levels;
  assert.deepEqual(levels(1), []);
  assert.deepEqual(levels(128), [{ firstBlock: 0, blocks: 1 }]);
  assert.deepEqual(levels(129), [
    { firstBlock: 1, blocks: 2 },
    { firstBlock: 0, blocks: 1 },
  ]);
  assert.deepEqual(levels(128 ** 2 + 1), [
    { firstBlock: 3, blocks: 129 },
    { firstBlock: 1, blocks: 2 },
    { firstBlock: 0, blocks: 1 },
  ]);
});

test('has a layout without gaps for every size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 30 }), (dataBlocks) => {
      const { levels, treeBlocks, imageSize } = layOut(dataBlocks * blockSize);
      let end = 0;
      for (const { firstBlock, blocks } of levels.toReversed()) {
        assert.equal(firstBlock, end);
        end += blocks;
      }
      assert.equal(end, treeBlocks);
      assert.equal(levels.at(-1)?.blocks ?? 1, 1);
      assert.equal(imageSize, (dataBlocks + 1 + treeBlocks) * blockSize);
    }),
  );
});

test('rejects sizes that are not whole blocks', () => {
  for (const size of [0, -blockSize, 1, blockSize + 1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 66])
    assert.throws(() => layOut(size), { code: 'verity.size' });
});

test('verifies a tree by its root hash, and names the block of any flipped byte', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), fc.integer({ min: 1, max: 255 }), (dataBlocks, seed, mask) => {
      const geometry = layOut(dataBlocks * blockSize);
      const leaves = someDigests(dataBlocks, seed);
      const { tree, root } = buildTree(geometry, leaves);
      assert.equal(findBadTreeBlock(geometry, tree, root), undefined);
      assert.ok(leaves.equals(leavesOf(geometry, tree, root)));
      if (tree.length === 0) return;

      const at = seed % tree.length;
      tree.writeUInt8(tree.readUInt8(at) ^ mask, at);
      const block = Math.floor(at / blockSize);
      const level = geometry.levels.findIndex(({ firstBlock }) => firstBlock <= block);
      const index = block - (geometry.levels[level]?.firstBlock ?? 0);
      assert.deepEqual(findBadTreeBlock(geometry, tree, root), { level, index });
    }),
    { numRuns: 30 },
  );
});

test('rejects a tree whose root hash differs at its top block', () => {
  const geometry = layOut(129 * blockSize);
  const { tree } = buildTree(geometry, someDigests(129, 1));
  assert.deepEqual(findBadTreeBlock(geometry, tree, '0'.repeat(64) as RootHash), { level: 1, index: 0 });
});

test('computes plain SHA-256 digests, and finds the first that differs', () => {
  const blocks = Buffer.concat(['a', 'b', 'c'].map((letter) => Buffer.alloc(blockSize, letter)));
  const digests = digestBlocks(blocks);
  for (const [index, letter] of ['a', 'b', 'c'].entries()) {
    const digest = createHash('sha256').update(Buffer.alloc(blockSize, letter)).digest();
    assert.deepEqual(digests.subarray(index * digestSize, (index + 1) * digestSize), digest);
  }
  const other = Buffer.from(digests);
  assert.equal(findDifference(digests, other), undefined);
  other.fill(0, 2 * digestSize - 1);
  assert.equal(findDifference(digests, other), 1);
});

function someDigests(count: number, seed: number): Buffer {
  const digests = Buffer.alloc(count * digestSize);
  for (let index = 0; index < count; index++) digests.writeUInt32LE((seed + index) >>> 0, index * digestSize);
  return digests;
}
