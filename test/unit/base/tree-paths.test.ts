import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { treeFiles, treePaths } from '../../../src/base/tree-paths.ts';

test('a tree ends at its links, also at those that lead out of it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-tree-'));
  try {
    await mkdir(join(directory, 'tree/sub'), { recursive: true });
    await mkdir(join(directory, 'outside'));
    await writeFile(join(directory, 'outside/file'), '');
    await writeFile(join(directory, 'tree/sub/file'), '');
    await symlink('../outside', join(directory, 'tree/out'));
    await symlink('sub', join(directory, 'tree/in'));
    assert.deepEqual(await treePaths(join(directory, 'tree')), ['in', 'out', 'sub', 'sub/file']);
    assert.deepEqual(await treeFiles(join(directory, 'tree')), ['sub/file']);
  } finally {
    await rm(directory, { recursive: true });
  }
});
