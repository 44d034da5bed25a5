import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { guestSignals } from '../../../../src/channel/guest.ts';
import {
  decodeEnd,
  decodeJson,
  decodeNumber,
  decodeSignal,
  decodeSize,
  encodeData,
  encodeEnd,
  encodeFrame,
  encodeJson,
  encodeNumbers,
  FrameDecoder,
  frameTypes,
  payloadLimit,
} from '../../../../src/supervisor/protocol/frames.ts';

const misunderstood = { code: 'supervisor.protocol' };
const types = fc.constantFrom(...Object.values(frameTypes));
const frames = fc.array(
  fc.record({ type: types, payload: fc.uint8Array({ maxLength: 300 }) }, { noNullPrototype: true }),
  {
    maxLength: 8,
  },
);
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

/** Cuts bytes at these places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

test('decodes frames from any fragmentation', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 20 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map(({ type, payload }) => encodeFrame(type, payload)));
      const decoder = new FrameDecoder();
      const received = pieces(bytes, cuts).flatMap((piece) => decoder.decode(piece));
      assert.deepEqual(
        received.map(({ type, payload }) => ({ type, payload: new Uint8Array(payload) })),
        sent,
      );
    }),
  );
});

test('decodes a frame split at any byte, and none when a byte is missing', () => {
  const bytes = encodeFrame(frameTypes.output, Buffer.from('holdfast'));
  for (let cut = 0; cut < bytes.length; cut++) {
    const decoder = new FrameDecoder();
    assert.deepEqual(decoder.decode(bytes.subarray(0, cut)), []);
    assert.equal(decoder.decode(bytes.subarray(cut)).length, 1);
  }
});

test('rejects unknown types and oversized frames by their header alone', () => {
  const known: ReadonlySet<number> = new Set(Object.values(frameTypes));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 255 }), uint32, (type, length) => {
      const header = Buffer.alloc(5);
      header.writeUInt8(type);
      header.writeUInt32BE(length, 1);
      const decode = () => new FrameDecoder().decode(header);
      if (!known.has(type) || length > payloadLimit) assert.throws(decode, misunderstood);
      else assert.ok(decode().length <= 1);
    }),
  );
  const full = encodeFrame(frameTypes.output, Buffer.alloc(payloadLimit));
  assert.equal(new FrameDecoder().decode(full)[0]?.payload.length, payloadLimit);
  assert.throws(() => encodeFrame(frameTypes.output, Buffer.alloc(payloadLimit + 1)), misunderstood);
});

test('rejects or awaits noise, and never buffers more than a frame', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 50 }), (noise) => {
      const decoder = new FrameDecoder();
      try {
        for (const piece of noise) decoder.decode(Buffer.from(piece));
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'supervisor.protocol');
      }
    }),
  );
});

test('splits long data into frames and joins them again', () => {
  for (const length of [0, 1, payloadLimit, payloadLimit + 1, 3 * payloadLimit]) {
    const data = Buffer.alloc(length, 'holdfast');
    const decoder = new FrameDecoder();
    const received = encodeData(frameTypes.output, data).flatMap((piece) => decoder.decode(piece));
    assert.ok(Buffer.concat(received.map(({ payload }) => payload)).equals(data));
  }
});

test('decodes the payloads that it encodes', () => {
  fc.assert(
    fc.property(uint32, uint32, fc.jsonValue(), (one, two, value) => {
      assert.equal(decodeNumber(encodeNumbers(one)), one);
      assert.deepEqual(decodeSize(encodeNumbers(one, two)), { columns: one, rows: two });
      assert.deepEqual(decodeEnd(encodeEnd({ code: one })), { code: one });
      assert.deepEqual(decodeJson(encodeJson(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
  for (const signal of guestSignals) {
    assert.equal(decodeSignal(Buffer.from(signal)), signal);
    assert.deepEqual(decodeEnd(encodeEnd({ signal })), { signal });
  }
});

test('rejects other payloads', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      const payload = Buffer.from(bytes);
      const check = (decode: (payload: Buffer) => unknown, isRight: boolean) => {
        if (!isRight) assert.throws(() => decode(payload), misunderstood);
      };
      check(decodeNumber, bytes.length === 4);
      check(decodeSize, bytes.length === 8);
      check(decodeSignal, false);
    }),
  );
  for (const payload of [
    '',
    '\0',
    '\0\0\0\0',
    '\x01',
    '\x01a b',
    '\x01\n',
    `\x01${'x'.repeat(65)}`,
    '\x02SIGTERM',
  ]) {
    assert.throws(() => decodeEnd(Buffer.from(payload, 'latin1')), misunderstood, JSON.stringify(payload));
  }
  for (const payload of ['', '{', 'undefined', '{}x'])
    assert.throws(() => decodeJson(Buffer.from(payload)), misunderstood);
  assert.throws(() => encodeJson('x'.repeat(payloadLimit)), { code: 'supervisor.long' });
});
