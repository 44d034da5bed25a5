import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourcesIn } from '../../support/sources.ts';

/** Words that docs/development/style.md replaces. test/unit/docs/links.test.ts reads the pages for them. */
const replaced =
  /\b(?:folders?|anew|whoever|cut off|mend(?:s|ed|ing)?|somebody|besides?|the slot that (?:does not )?runs?|roads?|admitted|believed?|thereby|lest)\b/i;

/** The one line that reads such a word: releases of an older version have it. */
const stored = "type: z.literal(['directory', 'folder']).transform(() => 'directory' as const),";

test('no source uses a word that the style sheet replaces', () => {
  const found = sourcesIn('src', 'scripts', 'bench').flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => {
      const [word] = replaced.exec(line) ?? [];
      return word === undefined || line.trim() === stored ? [] : [`${path}:${index + 1}: ${word}`];
    }),
  );
  assert.deepEqual(found, [], 'docs/development/style.md has the words to use');
});
