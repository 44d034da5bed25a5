import assert from 'node:assert/strict';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeAll } from '../../src/base/files.ts';
import { run } from '../../src/base/process.ts';
import { RowWriter } from '../../src/delta/row-writer.ts';

const KiB = 1024;

/** Mounts a file system of this size. Needs root. */
async function onSmallDisk(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-small-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${64 * KiB}`, 'holdfast-small', directory]);
    try {
      await work(directory);
    } finally {
      await run('umount', [directory]);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('a write to a full disk is an error, not a truncated file', () =>
  onSmallDisk(async (directory) => {
    const file = await open(join(directory, 'file'), 'w');
    try {
      await writeAll(file, Buffer.alloc(32 * KiB, 'a'), 0);
      await assert.rejects(writeAll(file, Buffer.alloc(64 * KiB, 'b'), 32 * KiB), { code: 'ENOSPC' });
    } finally {
      await file.close();
    }
  }));

test('a full disk during the assembly of a release is an error', () =>
  onSmallDisk(async (directory) => {
    const row = await RowWriter.create(directory, [{ name: 'root.img', size: 128 * KiB }]);
    try {
      await assert.rejects(row.write(0, Buffer.alloc(128 * KiB, 'a')), { code: 'ENOSPC' });
    } finally {
      await row.close();
    }
  }));
