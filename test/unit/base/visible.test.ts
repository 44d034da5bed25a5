import assert from 'node:assert/strict';
import { test } from 'node:test';
import { styleText } from 'node:util';
import fc from 'fast-check';
import { oneLine, visibleColours, visibleJson, visibleLines } from '../../../src/base/visible.ts';
import { anyCharacter } from '../../support/any-character.ts';

const hostile = {
  'a sequence that sets the clipboard': '\x1b]52;c;ZXZpbA==\x07',
  'a sequence that moves the cursor': '\x1b[2A',
  'a sequence of C1 in UTF-8': '\u009b2A',
  'a carriage return that overwrites a line': 'fail\rpass',
  'a backspace': 'fail\b\b\b\bpass',
  'a bell': '\x07',
  'a bidirectional override': '\u202egnp.exe',
  'a bidirectional isolate': '\u2066x\u2069',
  'invisible tags': '\u{e0041}',
  'a line separator': 'a\u2028b',
};
const acts = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

for (const [what, text] of Object.entries(hostile)) {
  test(`replaces ${what}`, () => {
    assert.doesNotMatch(oneLine(text), acts);
    assert.doesNotMatch(visibleLines(text), acts);
    assert.doesNotMatch(visibleColours(text), acts);
    const json = visibleJson(JSON.stringify({ text }));
    assert.doesNotMatch(json, acts);
    assert.deepEqual(JSON.parse(json), { text });
  });
}

test('readable text of any language stays, and newlines and tabs in lines', () => {
  const text = 'naïve — 日本語 עברית 👍 \\ "x"';
  assert.equal(oneLine(text), text);
  assert.equal(visibleLines(`${text}\n\t${text}`), `${text}\n\t${text}`);
  assert.equal(oneLine('a\nb'), 'a\ufffdb');
});

test('of control sequences only the colours of styleText stay', () => {
  const coloured = styleText(['red', 'bold'], 'fail', { validateStream: false });
  assert.equal(visibleColours(coloured), coloured);
  assert.equal(visibleColours('\x1b[8mhidden'), '\ufffd[8mhidden');
  assert.equal(visibleColours('\x1b[38;5;1m'), '\ufffd[38;5;1m');
});

test('any value is the same after its JSON was made visible', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: anyCharacter })), (texts) => {
      const json = visibleJson(JSON.stringify(texts));
      assert.doesNotMatch(json, acts);
      assert.deepEqual(JSON.parse(json), texts);
    }),
  );
});
