import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { generatedDirectories, generatedFiles } from '../../../../scripts/generate/generated-files.ts';

const repository = join(import.meta.dirname, '../../../..');

for (const { path, make } of generatedFiles) {
  test(`${path} is as \`npm run generate\` writes it`, async () => {
    const current = await readFile(join(repository, path), 'utf8').catch(() => '');
    // not assert.equal, which would print both texts
    assert.ok(current === (await make(current)), `${path} is stale: run \`npm run generate\``);
  });
}

test('no generated file of a removed command is left', async () => {
  const wanted = new Set(generatedFiles.map(({ path }) => path));
  for (const directory of generatedDirectories) {
    const present = (await readdir(join(repository, directory))).map((name) => `${directory}/${name}`);
    assert.notEqual(present.length, 0);
    const stale = present.filter((path) => !wanted.has(path));
    assert.deepEqual(stale, [], 'run `npm run generate`, which removes them');
  }
});
