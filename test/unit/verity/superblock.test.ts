import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeSuperblock, encodeSuperblock } from '../../../src/verity/superblock.ts';

const superblocks = fc.record(
  { uuid: fc.uuid(), dataBlocks: fc.integer({ min: 1, max: Math.floor(Number.MAX_SAFE_INTEGER / 4096) }) },
  { noNullPrototype: true },
);

test('decodes the superblocks that it encodes', () => {
  fc.assert(
    fc.property(superblocks, (superblock) => {
      assert.deepEqual(decodeSuperblock(encodeSuperblock(superblock), 'x'), superblock);
    }),
  );
});

test('rejects any changed byte outside the UUID and the number of blocks', () => {
  fc.assert(
    fc.property(superblocks, fc.nat(4095), fc.integer({ min: 1, max: 255 }), (superblock, at, mask) => {
      const bytes = encodeSuperblock(superblock);
      bytes.writeUInt8(bytes.readUInt8(at) ^ mask, at);
      const inUuid = at >= 16 && at < 32;
      const inDataBlocks = at >= 72 && at < 80;
      if (inUuid) assert.notEqual(decodeSuperblock(bytes, 'x').uuid, superblock.uuid);
      else if (!inDataBlocks)
        assert.throws(() => decodeSuperblock(bytes, 'x'), { code: 'verity.superblock' });
      else assert.notDeepEqual(tryDecode(bytes), superblock);
    }),
    { numRuns: 1000 },
  );
});

test('rejects malformed superblocks with the reason', () => {
  const good = encodeSuperblock({ uuid: '2d1f6c0a-5a0e-4b1e-9b0c-6f1d8a7e4c35', dataBlocks: 1 });
  const changed = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(good);
    change(bytes);
    return bytes;
  };
  const cases: [Buffer, RegExp][] = [
    [Buffer.alloc(0), /^0 bytes instead of 4096$/],
    [good.subarray(0, 512), /^512 bytes instead of 4096$/],
    [Buffer.alloc(4096), /^0 data blocks$/],
    [changed((bytes) => bytes.writeBigUInt64LE(2n ** 64n - 1n, 72)), /^18446744073709551615 data blocks$/],
    [changed((bytes) => bytes.write('sha512', 32)), /^byte 35 is /],
    [changed((bytes) => bytes.writeUInt32LE(0, 12)), /^byte 12 is 0, .* has 1$/],
    [changed((bytes) => bytes.writeUInt16LE(32, 80)), /^byte 80 is 32, .* has 0$/],
  ];
  for (const [bytes, why] of cases) {
    assert.throws(() => decodeSuperblock(bytes, 'root.img'), {
      code: 'verity.superblock',
      why,
      message: /root\.img/,
    });
  }
});

test('rejects malformed UUIDs', () => {
  for (const uuid of ['', '-', '2d1f6c0a5a0e4b1e9b0c6f1d8a7e4c35', '2d1f6c0a-5a0e-4b1e-9b0c-6f1d8a7e4c3g'])
    assert.throws(() => encodeSuperblock({ uuid, dataBlocks: 1 }), { code: 'verity.uuid' });
});

function tryDecode(bytes: Buffer): unknown {
  try {
    return decodeSuperblock(bytes, 'x');
  } catch {
    return undefined;
  }
}
