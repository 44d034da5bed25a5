import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownTable, replacePart } from '../../../../scripts/generate/markdown.ts';

const page = 'before\n<!-- generated: x -->\nold\n<!-- end of x -->\nafter\n';

test('replaces a part of a page, and leaves the rest unchanged', () => {
  const table = markdownTable(['a', 'b'], [['1', '2']]);
  const replaced = replacePart(page, 'x', table);
  assert.equal(
    replaced,
    'before\n<!-- generated: x -->\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<!-- end of x -->\nafter\n',
  );
  assert.equal(replacePart(replaced, 'x', table), replaced);
});

test('a page without both marks, or with a mark twice, is an error', () => {
  for (const bad of [
    '',
    page.replace('<!-- end of x -->', ''),
    page.replace('generated: x', ''),
    page + page,
  ])
    assert.throws(() => replacePart(bad, 'x', 'new'), /must have/);
});
