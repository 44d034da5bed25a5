import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { misplacedSentences, parseMarkdown } from '../../support/markdown.ts';

const root = join(import.meta.dirname, '../../..');

/** Pages that GitHub shows by itself: no other page links to them. */
const standalone = ['README.md', '.github/PULL_REQUEST_TEMPLATE.md'];

/** Pages made from the sources, whose texts have tests of their own. */
const generated = ['docs/reference/cli.md', 'docs/reference/errors.md'];

const styleSheet = 'docs/development/style.md';
/** Words that it replaces. */
const denied =
  /\b(?:folders?|anew|mend(?:s|ed|ing)?|whoever|somebody|cut off|besides|believed|roads?|verbs?)\b/i;

function markdownIn(directory: string): string[] {
  return readdirSync(join(root, directory))
    .filter((name) => name.endsWith('.md'))
    .map((name) => normalize(join(directory, name)));
}

const subdirectories = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .map((name) => join('docs', name))
  .filter((path) => statSync(join(root, path)).isDirectory());
const pages = new Map(
  ['.', '.github', 'bench', 'docs', ...subdirectories]
    .flatMap(markdownIn)
    .map((path) => [path, parseMarkdown(readFileSync(join(root, path), 'utf8'))]),
);

/** The path in the repository to which a link leads, and its anchor; undefined for another site. */
function resolveTarget(page: string, target: string): { path: string; anchor: string } | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path = '', anchor = ''] = target.split('#');
  return { path: path === '' ? page : normalize(join(dirname(page), path)), anchor };
}

test('every relative link leads to a file, and every anchor to a heading', () => {
  const broken = [...pages].flatMap(([page, { targets }]) =>
    targets
      .filter((target) => {
        const link = resolveTarget(page, target);
        if (link === undefined) return false;
        if (statSync(join(root, link.path), { throwIfNoEntry: false }) === undefined) return true;
        return link.anchor !== '' && !pages.get(link.path)?.anchors.has(link.anchor);
      })
      .map((target) => `${page}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

/** Directories whose files pages name in code spans. */
const named = /^(?:bench|bin|conformance|image|scripts|src|test)\/[\w@/.-]+$/;

test('every file of the repository that a page names exists', () => {
  const missing = [...pages].flatMap(([page, { codeSpans }]) =>
    codeSpans
      .filter((path) => named.test(path) && !/[A-Z]{4}/.test(path))
      .filter((path) => statSync(join(root, path), { throwIfNoEntry: false }) === undefined)
      .map((path) => `${page}: ${path}`),
  );
  assert.deepEqual(missing, []);
});

test('links lead from README.md to every page', () => {
  const reached = new Set(standalone);
  for (const page of reached) {
    for (const target of pages.get(page)?.targets ?? []) {
      const link = resolveTarget(page, target);
      if (link !== undefined) reached.add(link.path);
    }
  }
  assert.deepEqual(
    [...pages.keys()].filter((page) => !reached.has(page)),
    [],
  );
});

test('a line holds one sentence', () => {
  const written = [...pages].filter(([page]) => !generated.includes(page));
  const misplaced = written.flatMap(([page, { lines }]) =>
    misplacedSentences(lines).map((line) => `${page}:${line}`),
  );
  assert.deepEqual(misplaced, []);
});

test('no page uses a word that the style sheet replaces', () => {
  const found = [...pages]
    .filter(([page]) => page !== styleSheet)
    .flatMap(([page, { lines }]) =>
      lines.flatMap((line, index) => {
        const [word] = denied.exec(line) ?? [];
        return word === undefined ? [] : [`${page}:${index + 1}: ${word}`];
      }),
    );
  assert.deepEqual(found, [], `${styleSheet} has the words to use`);
});

test('links, anchors and sentences are recognized', () => {
  const page = parseMarkdown(
    ['# A `b` c', '[x](y.md#z) ![i](i.svg)', '```', '[no](no.md)', '```', '## A b c', '`[no](no)`'].join(
      '\n',
    ),
  );
  assert.deepEqual(page.codeSpans, ['b', '[no](no)']);
  assert.deepEqual(page.targets, ['y.md#z', 'i.svg']);
  assert.deepEqual([...page.anchors], ['a-b-c', 'a-b-c-1']);
  assert.deepEqual(
    misplacedSentences(['One. Two.', '', 'One that', 'goes on.', '- Item.', '  More.', '| A. B |']),
    [1, 3],
  );
});
