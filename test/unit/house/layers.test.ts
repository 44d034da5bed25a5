import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize, resolve } from 'node:path';
import { test } from 'node:test';
import { layers, layerTable } from '../../support/layers.ts';

const project = resolve(import.meta.dirname, '../../..');
const source = join(project, 'src');

/** `import … from`, `export … from`, `import()` and `import '…'` of a path. */
const specifier = /(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g;

interface Import {
  readonly from: string;
  readonly to: string;
}

async function sourceFiles(): Promise<string[]> {
  return (await readdir(source, { recursive: true })).filter((path) => path.endsWith('.ts')).sort();
}

async function allImports(): Promise<Import[]> {
  const found = (await sourceFiles()).map(async (from) => {
    const text = await readFile(join(source, from), 'utf8');
    return [...text.matchAll(specifier)].map(([, path = '']) => ({
      from,
      to: normalize(join(dirname(from), path)),
    }));
  });
  return (await Promise.all(found)).flat();
}

/** Returns the position of the layer that a file belongs to: that of its nearest listed directory. */
function layerOf(path: string): number {
  for (let directory = dirname(path); directory !== '.'; directory = dirname(directory)) {
    const position = layers.findIndex((layer) => layer.directory === directory);
    if (position >= 0) return position;
  }
  throw new Error(`src/${path} is in no layer: add its directory to test/support/layers.ts`);
}

test('no file imports from a layer above its own', async () => {
  const imports = (await allImports()).filter(({ to }) => to !== '../package.json');
  assert.ok(imports.length > 1000);
  const upward = imports.filter(({ from, to }) => layerOf(to) < layerOf(from));
  assert.deepEqual(
    upward.map(({ from, to }) => `${from} → ${to}`),
    [],
  );
});

test('each layer is a directory with sources, listed once', async () => {
  const directories = layers.map(({ directory }) => directory);
  assert.equal(new Set(directories).size, directories.length);
  const used = new Set((await sourceFiles()).map(layerOf));
  assert.deepEqual(
    directories.filter((_, position) => !used.has(position)),
    [],
  );
});

test('docs/design.md prints the table of layers', async () => {
  const page = await readFile(join(project, 'docs/design.md'), 'utf8');
  assert.ok(page.includes(`\n${layerTable()}\n`), `docs/design.md lacks this table:\n${layerTable()}`);
});
