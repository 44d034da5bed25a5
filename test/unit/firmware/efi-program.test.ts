import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFailure } from '../../../src/base/errors.ts';
import { measureProgram } from '../../../src/firmware/efi-program.ts';
import { efiProgram } from '../../support/efi-program.ts';

const sections = [
  { name: '.text', data: Buffer.from('code') },
  { name: '.sbat', data: Buffer.from('sbat,1') },
  { name: '.cmdline', data: Buffer.from('quiet') },
  { name: '.pcrsig', data: Buffer.from('signature') },
  { name: '.linux', data: Buffer.from('kernel') },
];
const program = efiProgram(sections);
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

/** Returns the offset of the optional header of an `efiProgram`. */
const optional = 0x58;

test('lists the sections that the stub measures, in its order and without padding', () => {
  assert.deepEqual(measureProgram(program).sections, [
    { name: '.linux', sha256: sha256('kernel') },
    { name: '.cmdline', sha256: sha256('quiet') },
    { name: '.sbat', sha256: sha256('sbat,1') },
  ]);
});

test('the digest leaves out the checksum, the offset of the signatures, and the signatures', () => {
  const { authenticode } = measureProgram(program);
  const signed = Buffer.concat([program, Buffer.alloc(64, 's')]);
  signed.writeUInt32LE(0x1234, optional + 64);
  signed.writeUInt32LE(program.length, optional + 144);
  signed.writeUInt32LE(64, optional + 148);
  assert.equal(measureProgram(signed).authenticode, authenticode);
  const certificates = optional + 144;
  const parts = [
    [0, optional + 64],
    [optional + 68, certificates],
    [certificates + 8, program.length],
  ] as const;
  assert.equal(authenticode, sha256(Buffer.concat(parts.map(([from, to]) => program.subarray(from, to)))));
});

test('the digest covers every other byte', () => {
  const { authenticode } = measureProgram(program);
  const left = new Set([64, 65, 66, 67, 144, 145, 146, 147, 148, 149, 150, 151].map((at) => optional + at));
  fc.assert(
    fc.property(fc.nat(program.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      fc.pre(!left.has(at));
      const changed = Buffer.from(program);
      changed.writeUInt8(changed.readUInt8(at) ^ flip, at);
      try {
        assert.notEqual(measureProgram(changed).authenticode, authenticode);
      } catch (error) {
        if (!isFailure(error, 'firmware.program')) throw error;
      }
    }),
    { numRuns: 300 },
  );
});

test('rejects everything that is not an EFI program with a typed error', () => {
  const refused = (bytes: Buffer) => assert.throws(() => measureProgram(bytes), { code: 'firmware.program' });
  refused(Buffer.alloc(0));
  refused(program.subarray(0, 100));
  refused(program.subarray(0, program.length - 1));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => refused(Buffer.from(bytes))),
    { numRuns: 200 },
  );
});
