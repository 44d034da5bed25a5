import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LayerEntry } from '../../../src/guest/drift.ts';
import { type LayerFacts, noFacts, parseFacts } from '../../../src/guest/layer-facts.ts';
import { type RawPath, rawPath } from '../../../src/guest/overlay-path.ts';
import { type Sha256, sha256 } from '../../../src/release/manifest.ts';
import {
  type OverlayContent,
  overlayContent,
  type ReleasedEntry,
} from '../../../src/release/overlay-content.ts';
import { type Conflict, type Contest, conflictsIn, questionsOf } from '../../../src/update/conflicts.ts';

/** The content of one of the three layers at a path, in words such as `file one`. */
type Has =
  | 'directory'
  | 'open directory'
  | 'opaque directory'
  | 'whiteout'
  | 'link'
  | 'file one'
  | 'file two'
  | 'file three';
type Layer = Readonly<Record<string, Has>>;
/** A case built from such words: an overlay, and the answers of its guest. */
interface Case {
  readonly contest: Contest;
  answer(about: 'lower' | 'upper' | 'opaque', path: RawPath): string;
}

const contentOf = (has: Has) => sha256.parse(Buffer.from(has).toString('hex').padEnd(64, '0').slice(0, 64));
const common = { mode: 0o644, user: 0, group: 0 };

function entry(has: Has): LayerEntry {
  const base = { ...common, size: 0, target: '' };
  if (has === 'whiteout') return { ...base, type: 'whiteout', mode: 0 };
  if (has === 'link') return { ...base, type: 'link', mode: 0o777, target: '/there' };
  if (has.endsWith('directory'))
    return { ...base, type: 'directory', mode: has === 'open directory' ? 0o777 : 0o755 };
  return { ...base, type: 'file', size: 5 };
}

function released(path: string, has: Has): ReleasedEntry {
  const { type, mode, size, target } = entry(has);
  const at = { path, ...common, mode };
  if (type === 'directory') return { ...at, type };
  if (type === 'link') return { ...at, type, target };
  return { ...at, type: 'file', size, sha256: contentOf(has) };
}

function build(lower: Layer, upper: Layer, newer: Layer, pending: readonly string[] = []): Case {
  const layer = (words: Layer) =>
    new Map(
      Object.entries({ '': 'directory', ...words } as Layer).map(([path, has]) => [
        rawPath(path),
        entry(has),
      ]),
    );
  const pathsWith = (words: Layer, wanted: (path: string, has: Has) => boolean) =>
    new Set(
      Object.entries(words)
        .filter(([path, has]) => wanted(path, has))
        .map(([path]) => rawPath(path)),
    );
  return {
    contest: {
      lower: layer(lower),
      upper: layer(upper),
      newer: new Map(
        Object.entries({ '': 'directory', ...newer } as Layer).map(([path, has]) => [
          rawPath(path),
          released(path, has),
        ]),
      ),
      same: pathsWith(upper, (path, has) => has.startsWith('file') && lower[path] === has),
      // the listing includes directories that the release has too
      opaque: pathsWith(
        upper,
        (path, has) => has === 'opaque directory' && lower[path]?.endsWith('directory') === true,
      ),
      pending: pending.map(rawPath),
    },
    answer: (about, path) => {
      const has = (about === 'lower' ? lower : upper)[path];
      if (about === 'opaque') return has === 'opaque directory' ? 'yes' : '';
      return has?.startsWith('file') ? contentOf(has) : '';
    },
  };
}

/** Judges with the answers of the guest: only the asked facts are known. */
function judge({ contest, answer }: Case): Conflict[] {
  const questions = questionsOf(contest);
  const answers = questions.map(({ about, path }) => `${answer(about, path)}\0`).join('');
  return conflictsIn(contest, parseFacts(answers, questions));
}

const kinds: readonly [
  what: string,
  lower: Layer,
  upper: Layer,
  newer: Layer,
  found: Readonly<Record<string, string>>,
][] = [
  ['changed on both sides', { a: 'file one' }, { a: 'file two' }, { a: 'file three' }, { a: 'changed' }],
  ['changed to the same', { a: 'file one' }, { a: 'file two' }, { a: 'file two' }, {}],
  ['changed here only', { a: 'file one' }, { a: 'file two' }, { a: 'file one' }, {}],
  ['changed there only', { a: 'file one' }, {}, { a: 'file two' }, {}],
  ['made on both sides', {}, { a: 'file one' }, { a: 'file two' }, { a: 'added' }],
  ['made the same', {}, { a: 'file one' }, { a: 'file one' }, {}],
  ['kept as it was', { a: 'file one' }, { a: 'file one' }, { a: 'file two' }, { a: 'kept' }],
  ['kept, and gone there', { a: 'file one' }, { a: 'file two' }, {}, { a: 'removed' }],
  ['gone on both sides', { a: 'file one' }, { a: 'whiteout' }, {}, {}],
  ['deleted, and the same there', { a: 'file one' }, { a: 'whiteout' }, { a: 'file one' }, {}],
  ['deleted, and changed there', { a: 'file one' }, { a: 'whiteout' }, { a: 'file two' }, { a: 'deleted' }],
  ['a whiteout over a new file', {}, { a: 'whiteout' }, { a: 'file one' }, { a: 'deleted' }],
  [
    'a whiteout over a directory with a new file',
    { a: 'directory', 'a/b': 'file one' },
    { a: 'whiteout' },
    { a: 'directory', 'a/b': 'file one', 'a/c': 'file two' },
    { a: 'deleted' },
  ],
  [
    'a whiteout over a directory that stays',
    { a: 'directory', 'a/b': 'file one' },
    { a: 'whiteout' },
    { a: 'directory', 'a/b': 'file one' },
    {},
  ],
  [
    'an opaque directory over a new file',
    { a: 'directory', 'a/b': 'file one' },
    { a: 'opaque directory', 'a/b': 'file two' },
    { a: 'directory', 'a/b': 'file one', 'a/c': 'file one' },
    { a: 'opaque' },
  ],
  [
    'an opaque directory over what stays',
    { a: 'directory', 'a/b': 'file one' },
    { a: 'opaque directory' },
    { a: 'directory', 'a/b': 'file one' },
    {},
  ],
  [
    'an opaque directory over a new directory',
    {},
    { a: 'opaque directory' },
    { a: 'directory', 'a/b': 'link' },
    { a: 'opaque' },
  ],
  [
    'a directory that was made, and shows what is new',
    {},
    { a: 'directory' },
    { a: 'directory', 'a/b': 'link' },
    {},
  ],
  ['a directory made with other rights', {}, { a: 'open directory' }, { a: 'directory' }, { a: 'added' }],
  [
    'rights of a directory that was copied',
    { a: 'directory' },
    { a: 'directory' },
    { a: 'open directory' },
    { a: 'kept' },
  ],
  ['a file for a directory', { a: 'file one' }, { a: 'directory' }, { a: 'file two' }, { a: 'replaced' }],
  ['a file for a directory that stays', { a: 'file one' }, { a: 'directory' }, { a: 'file one' }, {}],
  [
    'a link over a directory with a changed file',
    { a: 'directory', 'a/b': 'file one' },
    { a: 'link' },
    { a: 'directory', 'a/b': 'file two' },
    { a: 'replaced' },
  ],
  ['a link over a file that is a link there', { a: 'file one' }, { a: 'link' }, { a: 'link' }, {}],
  [
    'a file where there is a directory now',
    { a: 'file one' },
    { a: 'file two' },
    { a: 'directory' },
    { a: 'replaced' },
  ],
  ['a file of the machine’s own', {}, { a: 'file one' }, {}, {}],
];
for (const [what, lower, upper, newer, found] of kinds)
  test(`conflicts: ${what}`, () => {
    const conflicts = judge(build(lower, upper, newer));
    assert.deepEqual(Object.fromEntries(conflicts.map(({ path, kind }) => [path, kind])), found);
  });

test('a path that the next start resets has no conflict', () => {
  const change = [{ a: 'file one' }, { a: 'file two' }, { a: 'file three' }] as const;
  assert.deepEqual(judge(build(...change, ['a'])), []);
  assert.deepEqual(judge(build(...change, [''])), []);
});

test('asks nothing about unchanged paths', () => {
  const { contest } = build(
    { a: 'file one', b: 'file one' },
    { a: 'file two' },
    { a: 'file one', b: 'file two' },
  );
  assert.deepEqual(
    questionsOf(contest).map(({ about, path }) => `${about} ${path}`),
    ['lower a', 'upper a'],
  );
});

/** Returns the visible entry of a path when an upper layer is over a lower one: kernel documentation, overlayfs. */
function merged(lower: Layer, upper: Layer, path: string): Has | undefined {
  const above = path.split('/').slice(0, -1);
  const directories = above.map((_, index) => above.slice(0, index + 1).join('/'));
  const own = upper[path];
  if (own) return own === 'whiteout' ? undefined : own;
  const isHidden = directories.some(
    (directory) =>
      upper[directory] && upper[directory] !== 'directory' && upper[directory] !== 'open directory',
  );
  return isHidden ? undefined : lower[path];
}

const leaf = fc.constantFrom<Has>('file one', 'file two', 'link');
const lowerLayer = fc
  .record({
    a: fc.option(leaf),
    b: fc.option(fc.constant<Has>('directory')),
    'b/c': fc.option(leaf),
    'b/d': fc.option(leaf),
  })
  .map(wellFormed);
const upperLayer = fc
  .record({
    a: fc.option(fc.oneof(leaf, fc.constant<Has>('whiteout'), fc.constant<Has>('opaque directory'))),
    b: fc.option(fc.oneof(leaf, fc.constantFrom<Has>('whiteout', 'directory', 'opaque directory'))),
    'b/c': fc.option(fc.oneof(leaf, fc.constant<Has>('whiteout'))),
    'b/d': fc.option(leaf),
  })
  .map(wellFormed);

/** Removes entries below anything but a directory. */
function wellFormed(layer: Readonly<Record<string, Has | null>>): Layer {
  const isDirectory = layer.b?.endsWith('directory');
  return Object.fromEntries(
    Object.entries(layer).filter(([path, has]) => has !== null && (isDirectory || !path.startsWith('b/'))),
  ) as Layer;
}

test('reports exactly the changes of the release that are hidden', () => {
  const layers = fc.tuple(lowerLayer, upperLayer, lowerLayer);
  fc.assert(
    fc.property(layers, ([lower, upper, newer]) => {
      const conflicts = judge(build(lower, upper, newer));
      const told = (path: string) =>
        conflicts.some((each) => path === each.path || path.startsWith(`${each.path}/`));
      const paths = ['a', 'b', 'b/c', 'b/d'];
      const changed = paths.filter((path) => lower[path] !== newer[path] && newer[path] !== undefined);
      const hidden = changed.filter(
        (path) => merged(newer, upper, path)?.replace('opaque ', '') !== newer[path],
      );
      for (const path of hidden) assert.ok(told(path), `${path} is hidden`);
      for (const { path, kind } of conflicts) {
        const isReal = [...hidden, ...(kind === 'removed' ? [path] : [])].some(
          (each) => each === path || each.startsWith(`${path}/`),
        );
        assert.ok(isReal, `${path} ${kind}`);
      }
      if (Object.keys(upper).length === 0) assert.deepEqual(conflicts, []);
    }),
    { numRuns: 2000 },
  );
});

test('a release never conflicts with the machine that runs it', () => {
  fc.assert(
    fc.property(lowerLayer, upperLayer, (lower, upper) => {
      assert.deepEqual(judge(build(lower, upper, lower)), []);
    }),
  );
});

test('rejects answers that do not match the questions', () => {
  const questions = [
    { about: 'upper', path: rawPath('a') },
    { about: 'opaque', path: rawPath('b') },
  ] as const;
  const digest: Sha256 = contentOf('file one');
  const read = (text: string): LayerFacts => parseFacts(text, questions);
  assert.equal(read(`${digest}\0yes\0`).upper.get(rawPath('a')), digest);
  assert.deepEqual(read('\0\0'), noFacts);
  for (const text of ['', '\0', '\0\0\0', `${digest}\0no\0`, `${digest}x\0\0`, 'yes\0\0', '\0\0more'])
    assert.throws(() => read(text), { code: 'guest.output' }, JSON.stringify(text));
});

test('the paths of a release are bytes, one character each', () => {
  const content = (path: string): OverlayContent =>
    overlayContent.parse({ format: 1, etc: [released(path, 'link')], home: [], root: [] });
  assert.equal(content('F\xc5\x91').etc[0]?.path, 'F\xc5\x91');
  assert.throws(() => content('F\u0151'));
  assert.throws(() => content('a\0b'));
});
