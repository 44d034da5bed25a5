import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TreeFilter } from '../../../src/channel/copy-filter.ts';
import { shownPath } from '../../../src/channel/copy-paths.ts';
import { ArchiveError, type EntryKind, type TarEntry } from '../../../src/tar/entry.ts';
import { archiveLimits } from '../../../src/tar/limits.ts';

type Short = readonly [path: string, kind?: EntryKind, target?: string];

const entry = ([path, kind = 'file', target = '']: Short): TarEntry => ({
  kind,
  path,
  target,
  mode: 0o7777,
  mtime: '0',
  size: 0,
  sparseLength: undefined,
  attributes: [
    ['user.note', 'x'],
    ['security.capability', 'x'],
    ['trusted.overlay.opaque', 'y'],
  ],
});

function filtered(entries: readonly Short[], name = 'a') {
  const filter = new TreeFilter({ name, links: 'inside', attributes: true, mode: undefined });
  const kept = entries.map((short) => filter.accept(entry(short))).filter((found) => found !== undefined);
  return { kept: [...kept, ...filter.links()], filter };
}

const root: Short = ['a', 'directory'];

test('accepts one tree, and removes what must not leave the guest', () => {
  const { kept } = filtered([
    root,
    ['a/l', 'link', 'x'],
    ['a/b', 'directory'],
    ['a/b/c'],
    ['a/d', 'hard-link', 'a/b/c'],
  ]);
  assert.deepEqual(
    kept.map(({ path, kind, target }) => [path, kind, target]),
    [
      ['item', 'directory', ''],
      ['item/b', 'directory', ''],
      ['item/b/c', 'file', ''],
      ['item/d', 'hard-link', 'item/b/c'],
      ['item/l', 'link', 'x'],
    ],
  );
  assert.deepEqual(kept[0]?.attributes, [['user.note', 'x']]);
  assert.equal(kept[0]?.mode, 0o777);
  assert.deepEqual(
    filtered([['.', 'directory'], ['./x']], '.').kept.map(({ path }) => path),
    ['item', 'item/x'],
  );
});

test('rejects everything that is not one tree in order', () => {
  const cases: readonly (readonly [readonly Short[], RegExp])[] = [
    [[['b']], /not requested/],
    [[['/a']], /not requested/],
    [[['']], /not requested/],
    [[['a/b']], /no directory/],
    [[['a'], ['a']], /twice/],
    [[['a'], ['a/b']], /no directory/],
    [[['a', 'link', 'x'], ['a/b']], /no directory/],
    [[root, root], /twice/],
    [[root, ['a/b'], ['a/b']], /twice/],
    [[root, ['a/b'], ['a/b', 'directory']], /twice/],
    [[root, ['a/b', 'link', '.'], ['a/b/c']], /out of order/],
    [[root, ['a/b'], ['a/b/c']], /out of order/],
    [[root, ['a/b', 'directory'], ['a/c', 'directory'], ['a/b/x']], /out of order/],
    [[root, ['a/..']], /invalid path/],
    [[root, ['a/../../x']], /invalid path/],
    [[root, ['a/.']], /invalid path/],
    [[root, ['a//b']], /invalid path/],
    [[root, [`a/${'x'.repeat(256)}`]], /invalid path/],
    [[root, [`a${'/x'.repeat(archiveLimits.depth + 1)}`]], /in each other/],
    [[root, ['a/h', 'hard-link', '/etc/passwd']], /not requested/],
    [[root, ['a/h', 'hard-link', 'a/../../x']], /invalid path/],
  ];
  for (const [entries, message] of cases)
    assert.throws(
      () => filtered(entries),
      (error: Error) => error instanceof ArchiveError && message.test(error.message),
      JSON.stringify(entries),
    );
});

test('skips a hard link to what was skipped, and repeats one to a link', () => {
  const { kept, filter } = filtered([
    root,
    ['a/pipe', 'pipe'],
    ['a/pipe2', 'hard-link', 'a/pipe'],
    ['a/sub', 'directory'],
    ['a/sub/up', 'link', '..'],
    ['a/up', 'hard-link', 'a/sub/up'],
  ]);
  assert.deepEqual(
    filter.skipped.map(({ path, kind }) => [path, kind]),
    [
      ['pipe', 'pipe'],
      ['pipe2', 'pipe'],
      ['up', 'link'],
    ],
  );
  assert.deepEqual(kept.at(-1)?.path, 'item/sub/up');
});

test('limits what it remembers', () => {
  const filter = new TreeFilter({ name: 'a', links: 'inside', attributes: false, mode: undefined });
  filter.accept(entry(root));
  const target = 'x'.repeat(4000);
  assert.throws(() => {
    for (let at = 0; at < 1_000_000; at++) filter.accept(entry([`a/${at}`, 'link', target]));
  }, /names are too long/);
  const specials = new TreeFilter({ name: 'a', links: 'inside', attributes: false, mode: undefined });
  specials.accept(entry(root));
  for (let at = 0; at < 5000; at++) specials.accept(entry([`a/${at}`, 'pipe']));
  assert.deepEqual([specials.skipped.length, specials.skippedCount], [1000, 5000]);
});

test('shows any path in one line of printable characters', () => {
  assert.equal(shownPath(Buffer.from('ä/b c').toString('latin1')), 'ä/b c');
  assert.equal(shownPath('\x1b]52;c\x07\n\\'), '\\u{1b}]52;c\\u{7}\\u{a}\\\\');
  assert.equal(shownPath('\xff\x1b'), '\\xff\\x1b');
  assert.equal(shownPath(Buffer.from('\u202egpj').toString('latin1')), '\\u{202e}gpj');
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.doesNotMatch(shownPath(Buffer.from(bytes).toString('latin1')), /[\p{C}\p{Zl}\p{Zp}]/u);
    }),
  );
});
