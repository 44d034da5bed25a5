import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { appendFile, copyFile, open, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { formatImage } from '../../../src/verity/format.ts';
import { blockSize, layOut } from '../../../src/verity/geometry.ts';
import type { RootHash } from '../../../src/verity/root-hash.ts';
import { type ExpectedImage, verifyImage } from '../../../src/verity/verify.ts';
import { formattedImage, uuid } from '../../support/formatted-image.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-verity-'));
after(() => rmSync(directory, { recursive: true }));

const formatted = (name: string, blocks: number) => formattedImage(join(directory, name), blocks);

test('detects a flipped byte anywhere and names its block', async () => {
  const { path, expected } = await formatted('flipped', 300);
  const { imageSize, treeOffset } = layOut(expected.dataSize);
  const nameOf = (at: number): { code: string; why: RegExp } => {
    const block = Math.floor(at / blockSize);
    if (at < expected.dataSize)
      return { code: 'verity.data', why: new RegExp(`^data block ${block} does not match its digest$`) };
    if (at < treeOffset) return { code: 'verity.superblock', why: /./ };
    if (at < treeOffset + blockSize)
      return { code: 'verity.tree', why: /^block 0 of tree level 1 does not match the root hash$/ };
    const leafBlock = block - treeOffset / blockSize - 1;
    return {
      code: 'verity.tree',
      why: new RegExp(`^block ${leafBlock} of tree level 0 does not match level 1$`),
    };
  };
  const region = (start: number, end: number) => fc.integer({ min: start, max: end - 1 });
  const positions = fc.oneof(
    region(0, expected.dataSize),
    region(expected.dataSize + 16, expected.dataSize + 32), // UUID
    region(expected.dataSize + 72, expected.dataSize + 80), // number of data blocks
    region(expected.dataSize, treeOffset),
    region(treeOffset, treeOffset + blockSize),
    region(treeOffset + blockSize, imageSize),
  );
  await fc.assert(
    fc.asyncProperty(positions, fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      await flip(path, at, mask);
      await assert.rejects(verifyImage(path, expected), nameOf(at));
      await flip(path, at, mask);
    }),
  );
  await verifyImage(path, expected);
});

test('names the first of several bad blocks', async () => {
  const { path, expected } = await formatted('several', 600);
  for (const block of [599, 300, 299]) await flip(path, block * blockSize, 1);
  await assert.rejects(verifyImage(path, expected), {
    code: 'verity.data',
    why: /^data block 299 /,
  });
});

test('rejects an image that is too short, too long or missing', async () => {
  const { path, expected } = await formatted('sized', 129);
  const { imageSize } = layOut(expected.dataSize);
  for (const size of [0, blockSize, expected.dataSize, imageSize - 1]) {
    const cut = join(directory, 'cut');
    await copyFile(path, cut);
    await truncate(cut, size);
    await assert.rejects(verifyImage(cut, expected), {
      code: 'verity.size',
      why: `it has ${size} bytes instead of ${imageSize}`,
    });
  }
  await appendFile(path, 'x');
  await assert.rejects(verifyImage(path, expected), { code: 'verity.size' });
  await assert.rejects(verifyImage(join(directory, 'absent'), expected), {
    code: 'verity.io',
    why: /ENOENT/,
  });
});

test('rejects an image whose root hash, UUID or size differs', async () => {
  const { path, expected } = await formatted('expected', 129);
  const wrong: [Partial<ExpectedImage>, string][] = [
    [{ rootHash: 'ab'.repeat(32) as RootHash }, 'verity.tree'],
    [{ uuid: uuid.replace('2', '3') }, 'verity.superblock'],
    [{ dataSize: expected.dataSize - blockSize }, 'verity.size'],
    [{ dataSize: expected.dataSize + 1 }, 'verity.size'],
  ];
  for (const [change, code] of wrong)
    await assert.rejects(verifyImage(path, { ...expected, ...change }), { code });

  const single = await formatted('single', 1);
  const otherRoot = { ...single.expected, rootHash: 'ab'.repeat(32) as RootHash };
  await assert.rejects(verifyImage(single.path, otherRoot), { code: 'verity.data' });
  await verifyImage(path, { ...expected, uuid: uuid.toUpperCase() });
});

test('leaves a file unchanged when formatting fails', async () => {
  const path = join(directory, 'odd');
  for (const size of [0, 1, blockSize + 1]) {
    await writeFile(path, Buffer.alloc(size));
    await assert.rejects(formatImage(path, uuid), { code: 'verity.size' });
    assert.equal((await stat(path)).size, size);
  }
  await writeFile(path, Buffer.alloc(blockSize));
  await assert.rejects(formatImage(path, 'not-a-uuid'), { code: 'verity.uuid' });
  assert.equal((await stat(path)).size, blockSize);
  await assert.rejects(formatImage(join(directory, 'absent'), uuid), { code: 'verity.io', why: /ENOENT/ });
});

async function flip(path: string, position: number, mask: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, position);
    byte.writeUInt8(byte.readUInt8(0) ^ mask);
    await file.write(byte, 0, 1, position);
  } finally {
    await file.close();
  }
}
