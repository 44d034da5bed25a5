import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { generatedFiles } from '../../../../scripts/generate/generated-files.ts';

for (const { path, make } of generatedFiles) {
  test(`${path} is as \`npm run generate\` writes it`, async () => {
    const current = await readFile(join(import.meta.dirname, '../../../..', path), 'utf8');
    assert.equal(current, await make(current), 'run `npm run generate`');
  });
}
