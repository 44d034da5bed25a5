import assert from 'node:assert/strict';
import { Readable, type Transform } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { visibleLines } from '../../../../src/base/visible.ts';
import { bounds } from '../../../../src/channel/bounds.ts';
import { jsonLines, visibleText } from '../../../../src/cli/terminal/guest-text.ts';
import { anyCharacter } from '../../../support/any-character.ts';

async function through(stream: Transform, chunks: readonly Uint8Array[]): Promise<string> {
  return Buffer.concat(await Readable.from(chunks).pipe(stream).toArray()).toString();
}

/** Cuts bytes at some places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

test('replaces the same characters wherever the stream is cut', async () => {
  const text = fc.array(
    fc.oneof(fc.string({ unit: anyCharacter }), fc.constant('\x1b]52;c;eA==\x07\u009b2A')),
  );
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat(1000)), async (parts, places) => {
      const whole = parts.join('');
      assert.equal(await through(visibleText(), cut(Buffer.from(whole), places)), visibleLines(whole));
    }),
  );
});

test('any bytes become safe text wherever the stream is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(1000)), async (bytes, places) => {
      const shown = await through(visibleText(), cut(Buffer.from(bytes), places));
      assert.equal(shown, visibleLines(Buffer.from(bytes).toString()));
      assert.doesNotMatch(shown, /[^\P{Cc}\n\t]/u);
    }),
  );
});

test('passes on entries of the journal wherever the stream is cut, without control characters', async () => {
  const entries = [{ MESSAGE: 'é\x1b[2J\u009b\u202e' }, { MESSAGE: [1, 2], __CURSOR: 's=1' }];
  const bytes = Buffer.from(entries.map((each) => `${JSON.stringify(each)}\n`).join(''));
  for (let at = 0; at <= bytes.length; at++) {
    const text = await through(jsonLines(), cut(bytes, [at]));
    assert.doesNotMatch(text, /[^\P{C}\n]/u);
    assert.deepEqual(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
      entries,
    );
  }
});

test('rejects an entry that is no object, and an endless one', async () => {
  for (const line of ['1', '[]', 'null', '{"a":1', '\x1b[2J', ''])
    await assert.rejects(through(jsonLines(), [Buffer.from(`${line}\n`)]), { code: 'guest.output' }, line);
  const part = Buffer.alloc(64 * 1024, 'x');
  const endless = Array.from({ length: bounds.journalEntry.bytes / part.length + 1 }, () => part);
  await assert.rejects(through(jsonLines(), endless), { code: 'guest.long' });
});
