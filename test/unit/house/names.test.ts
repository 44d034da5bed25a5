import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourcesIn } from '../../support/sources.ts';

const sources = sourcesIn('src');

const exported = /^export (?:async |abstract )*(?:function\*?|const|let|class|interface|type|enum) (\w+)/;
/** Forms of export that the rule above would not see. */
const otherExport = /^export (?:default|\*|\{|(?:const|let) [[{])/;

test('a name is exported by one file only', () => {
  const files = new Map<string, Set<string>>();
  for (const { path, lines } of sources) {
    for (const line of lines) {
      const [, name] = exported.exec(line) ?? [];
      if (name !== undefined) files.set(name, (files.get(name) ?? new Set()).add(path));
    }
  }
  assert.ok(files.size > 1000);
  const shared = [...files].filter(([, paths]) => paths.size > 1);
  assert.deepEqual(
    shared.map(([name, paths]) => `${name}: ${[...paths].join(', ')}`),
    [],
  );
});

test('an export declares its name where it is', () => {
  const other = sources.flatMap(({ path, lines }) =>
    lines.filter((line) => otherExport.test(line)).map(() => path),
  );
  assert.deepEqual(other, []);
});

test('no signature takes the paths of all machines and a name: it takes a Machine', () => {
  const signatures = sources.filter(({ lines }) => /\blayout: \w+,\s+name\b/.test(lines.join('\n')));
  assert.deepEqual(
    signatures.map(({ path }) => path),
    [],
  );
});
