import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readAhead, readsOf } from '../../../src/base/read-ahead.ts';
import { MiB } from '../../../src/base/size.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-read-ahead-'));
after(() => rmSync(directory, { recursive: true }));

for (const size of [1, 4096, MiB - 1, MiB, MiB + 1, 3 * MiB, 4 * MiB + 4096]) {
  test(`returns a file of ${size} bytes in chunks, in order`, async () => {
    const content = Buffer.alloc(size, randomBytes(4093)); // no two chunks are alike
    await withFile(content, async (file) => {
      const read = createHash('sha256');
      let next = 0;
      for await (const { position, bytes } of readAhead(readsOf(file), size)) {
        assert.equal(position, next);
        next += bytes.length;
        // The pending read must not overwrite the current chunk
        await file.stat();
        read.update(bytes);
      }
      assert.equal(next, size);
      assert.equal(read.digest('hex'), createHash('sha256').update(content).digest('hex'));
    });
  });
}

test('rejects a file that ends early, after the chunks before the end', async () => {
  await withFile(Buffer.alloc(MiB + 5), async (file) => {
    const positions: number[] = [];
    await assert.rejects(async () => {
      for await (const { position } of readAhead(readsOf(file), 2 * MiB)) {
        positions.push(position);
        await new Promise((resolve) => setTimeout(resolve, 20)); // the failed read waits meanwhile
      }
    }, /unexpected end of file at byte 1048581/);
    assert.deepEqual(positions, [0]);
  });
});

test('a consumer that stops early can close the file at once', async () => {
  await withFile(Buffer.alloc(3 * MiB), async (file) => {
    for await (const { bytes } of readAhead(readsOf(file), 3 * MiB)) {
      assert.equal(bytes.length, MiB);
      break;
    }
  });
});

async function withFile(content: Buffer, work: (file: FileHandle) => Promise<void>): Promise<void> {
  const path = join(directory, 'file');
  await writeFile(path, content);
  const file = await open(path);
  try {
    await work(file);
  } finally {
    await file.close();
  }
}
