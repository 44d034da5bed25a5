import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { readResetLine, resetLine } from '../../../src/guest/drift-reset.ts';
import {
  isWithin,
  parseOverlayPath,
  rawPath,
  showBytes,
  showPath,
  sortPaths,
  withinAny,
} from '../../../src/guest/overlay-path.ts';

const part = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((bytes) =>
    Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 1 : byte))).toString('latin1'),
  )
  .filter((text) => text !== '.' && text !== '..');
const path = fc.array(part, { maxLength: 4 }).map((parts) => rawPath(parts.join('/')));

test('shows any path without control characters, and parses it back unchanged', () => {
  fc.assert(
    fc.property(path, (raw) => {
      const shown = showPath({ overlay: 'etc', path: raw });
      assert.doesNotMatch(shown, /[\p{C}\p{Zl}\p{Zp}]/u);
      assert.deepEqual(parseOverlayPath(shown), { overlay: 'etc', path: raw });
    }),
  );
});

test('shows text as text, and other bytes as escapes', () => {
  const show = (text: string) => showBytes(Buffer.from(text).toString('latin1'));
  assert.equal(show('Grüße, 世界 🌍.conf'), 'Grüße, 世界 🌍.conf');
  assert.equal(show('two\nlines\u001b[2J\\'), 'two\\x0alines\\x1b[2J\\x5c');
  assert.equal(show('evil\u202etxt'), 'evil\\xe2\\x80\\xaetxt');
  assert.equal(showBytes('\xff\xc3\xa9\xc3'), '\\xffé\\xc3');
});

for (const word of [
  '/usr/bin/x',
  'etc/hosts',
  '/',
  '',
  '/etcetera',
  '/var',
  '/etc/../usr',
  '/etc/./x',
  '/home/a//b',
  `/etc/${'x'.repeat(256)}`,
])
  test(`rejects a path outside the overlays, or no path: ${word.slice(0, 20)}`, () => {
    assert.throws(() => parseOverlayPath(word), { code: 'drift.path', exitCode: 2 });
  });

test('accepts directories with and without a slash at the end', () => {
  for (const word of ['/etc', '/etc/', '/etc//'])
    assert.deepEqual(parseOverlayPath(word), { overlay: 'etc', path: '' });
  assert.deepEqual(parseOverlayPath('/home/holdfast/'), { overlay: 'home', path: 'holdfast' });
});

test('encodes any path as one line of the reset list, and parses it back unchanged', () => {
  fc.assert(
    fc.property(path, (raw) => {
      const line = resetLine(raw);
      assert.match(line, /^[ -~]*\n$/);
      assert.equal(readResetLine(line.slice(0, -1)), raw);
    }),
  );
});

test('a shell decodes a line of the reset list identically', () => {
  const raw = rawPath(
    Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1).filter((byte) => byte !== 0x2f))
      .toString('latin1')
      .replace('\x01\x02', '\x01'),
  );
  const out = execFileSync('sh', ['-c', 'IFS= read -r line; printf "%b" "$line"'], { input: resetLine(raw) });
  assert.equal(out.toString('latin1'), raw);
});

for (const line of ['\\n', '\\0777', '\\012', 'a\tb', '../x', '\\0000', 'a//b'])
  test(`rejects the reset line ${JSON.stringify(line)}`, () => {
    assert.throws(() => readResetLine(line), RangeError);
  });

test('paths are sorted by their parts', () => {
  assert.deepEqual(
    sortPaths(['a-b', 'a/b', 'a', ''].map(rawPath), (path) => path),
    ['', 'a', 'a/b', 'a-b'],
  );
});

test('finds paths within directories, however many and in any order', () => {
  fc.assert(
    fc.property(
      fc.array(path, { maxLength: 20 }),
      fc.array(path, { maxLength: 20 }),
      (directories, paths) => {
        const isCovered = withinAny(directories);
        const below = directories.map((each) => rawPath(each === '' ? 'x' : `${each}/x`));
        for (const each of [...paths, ...directories, ...below])
          assert.equal(
            isCovered(each),
            directories.some((directory) => isWithin(each, directory)),
          );
      },
    ),
  );
});
