import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFailure } from '../../../../src/base/errors.ts';
import { CommandStream, type Piece } from '../../../../src/tpm/broker/command-stream.ts';
import { message } from '../../../../src/tpm/codec/message.ts';
import { errorResponse, parseResponse } from '../../../../src/tpm/codec/response.ts';
import { responseCode } from '../../../../src/tpm/codec/response-codes.ts';
import { Reader, sized, Truncated } from '../../../../src/tpm/codec/wire.ts';
import { checkArbitrary } from '../../../support/tpm-fuzz.ts';

/** A stream cut into pieces at random. */
const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 60 });

function cutAll(chunks: readonly Uint8Array[]): Piece[] {
  const stream = new CommandStream();
  return chunks.flatMap((chunk) => [...stream.cut(Buffer.from(chunk))]);
}

test('commands leave a stream complete and in order, whatever its fragmentation', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 8 });
  const cuts = fc.array(fc.nat({ max: 1000 }), { maxLength: 20 });
  fc.assert(
    fc.property(bodies, cuts, (contents, positions) => {
      const messages = contents.map((body) => message(0x17b, body));
      const whole = Buffer.concat(messages);
      const ends = [...positions.map((at) => at % (whole.length + 1)), whole.length].toSorted(
        (a, b) => a - b,
      );
      const chunks = ends.map((end, index) => whole.subarray(ends[index - 1] ?? 0, end));
      assert.deepEqual(
        cutAll(chunks),
        messages.map((each) => ({ message: each })),
      );
    }),
  );
});

test('a stream ends at the first invalid size, with one error', () => {
  const good = message(0x17b);
  for (const size of [0, 9, 4097, 0xffff_ffff]) {
    const bad = Buffer.from(good);
    bad.writeUInt32BE(size, 2);
    const cut = cutAll([Buffer.concat([good, bad]), good]);
    assert.deepEqual(cut, [{ message: good }, { lost: `a command states a size of ${size} bytes` }]);
  }
  const largest = message(0x17b, Buffer.alloc(4086));
  assert.deepEqual(cutAll([largest]), [{ message: largest }]);
});

test('arbitrary bytes never make the stream throw or yield a message of a wrong size', () => {
  fc.assert(
    fc.property(pieces, (chunks) => {
      for (const piece of cutAll(chunks)) {
        if ('message' in piece) assert.equal(piece.message.readUInt32BE(2), piece.message.length);
      }
    }),
  );
});

test('malformed commands are decided on or denied with a code of TPMs (a million times: test/host)', () => {
  checkArbitrary(4000, 1);
});

test('responses are accepted unchanged or rejected', () => {
  const response = message(0, Buffer.from('body'));
  assert.deepEqual(parseResponse(response).body, Buffer.from('body'));
  assert.equal(parseResponse(errorResponse(responseCode('lockout'))).code, 0x921);
  for (const broken of [
    Buffer.alloc(0),
    response.subarray(0, 9),
    response.subarray(0, 13),
    Buffer.alloc(5000),
  ]) {
    assert.throws(
      () => parseResponse(broken),
      (error) => isFailure(error, 'tpm.malformed'),
    );
  }
});

test('a reader never reads beyond the end', () => {
  assert.deepEqual(new Reader(sized(Buffer.from('ab'))).sized(), Buffer.from('ab'));
  for (const read of ['u8', 'u16', 'u32', 'sized'] as const) {
    assert.throws(() => new Reader(Buffer.alloc(0))[read](), Truncated);
  }
  assert.throws(() => new Reader(Buffer.of(0, 3, 1, 2)).sized(), Truncated);
});
