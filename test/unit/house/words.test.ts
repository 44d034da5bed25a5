import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourcesIn } from '../../support/sources.ts';

/** Words that docs/development/style.md replaces. test/unit/docs/links.test.ts reads the pages for them. */
const replaced =
  /\b(?:folders?|anew|whoever|cut off|mend(?:s|ed|ing)?|somebody|besides?|the slot that (?:does not )?runs?|roads?|admitted|believed?|thereby|lest)\b/i;

/** The reader of releases of an older version, which have such a word, and its test. */
const stored = [
  "type: z.literal(['directory', 'folder']).transform(() => 'directory' as const),",
  "test('reads releases of an older version, which have folder for directory', () => {",
  "const top = { type: 'folder', path: '', mode: 0o755, user: 0, group: 0 };",
];

/** The two tests that list the words. */
const lists = ['test/unit/house/words.test.ts', 'test/unit/docs/links.test.ts'];

test('no source uses a word that the style sheet replaces', () => {
  const found = sourcesIn('src', 'scripts', 'bench', 'conformance', 'test')
    .filter(({ path }) => !lists.includes(path))
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, index) => {
        const [word] = replaced.exec(line) ?? [];
        return word === undefined || stored.includes(line.trim()) ? [] : [`${path}:${index + 1}: ${word}`];
      }),
    );
  assert.deepEqual(found, [], 'docs/development/style.md has the words to use');
});
