import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorCodes } from '../../../../src/base/error-codes.ts';

const repository = join(import.meta.dirname, '../../../..');
const table = /^(?:src\/)?base\/error-codes(?:\.ts|\/)/;

/** The text of all sources but the table itself. */
async function sources(): Promise<string> {
  const texts = ['src', 'scripts'].map(async (directory) => {
    const names = await readdir(join(repository, directory), { recursive: true });
    const files = names.filter((name) => name.endsWith('.ts') && !table.test(name));
    return Promise.all(files.map((name) => readFile(join(repository, directory, name), 'utf8')));
  });
  return (await Promise.all(texts)).flat().join('\n');
}

test('every error code of the table is used', async () => {
  const used = new Set(
    [...(await sources()).matchAll(/'([a-z]+(?:\.[A-Za-z-]+)?)'/g)].map(([, code]) => code),
  );
  assert.deepEqual(
    Object.keys(errorCodes).filter((code) => !used.has(code)),
    [],
  );
});

test('the table has whole sentences, on one line each', () => {
  for (const [code, { when, remedy }] of Object.entries(errorCodes)) {
    assert.match(code, /^[a-z]+(?:\.[a-z-]+)?$|^system\.E[A-Z]+$/);
    for (const text of [when, remedy]) assert.match(text, /^[`A-Z][^\n|]*\.$/, code);
  }
});
