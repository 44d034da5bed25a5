import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { guid, guidFromBytes } from '../../../src/base/guid.ts';
import {
  bootEntry,
  readBootState,
  setBootEntry,
  setBootNext,
  setBootOrder,
  setVerity,
} from '../../../src/firmware/boot.ts';
import { parseLoadOption, serializeLoadOption } from '../../../src/firmware/load-option.ts';
import { parseVariableStore, serializeVariableStore, setVariables } from '../../../src/firmware/store.ts';
import { anyCharacter } from '../../support/any-character.ts';
import { storeFile } from '../../support/variable-store-file.ts';

const empty = parseVariableStore(storeFile());
const damaged = { code: 'firmware.variables' };
const global = guid('8be4df61-93ca-11d2-aa0d-00e098032b8c');

/** With these bytes OVMF printed: loading Boot000A from HD(2,GPT,…,0x4800,0x60000)/\EFI\Linux\holdfast.efi. */
const slotA = Buffer.from(
  [
    '01000000', // LOAD_OPTION_ACTIVE
    '6200', // the path has 98 bytes
    '48006f006c00640066006100730074002000410000 00',
    '04012a00', // hard drive, 42 bytes
    '02000000', // partition 2
    '0048000000000000', // from sector 0x4800
    '0000060000000000', // 0x60000 sectors
    '847c9d2bc6510b4c8f5e3e0b6c1d0a02', // PARTUUID
    '0202', // GPT, named by GUID
    '04043400', // file, 52 bytes
    Buffer.from('\\EFI\\Linux\\holdfast.efi\0', 'utf16le').toString('hex'),
    '7fff0400', // end
  ]
    .join('')
    .replaceAll(' ', ''),
  'hex',
);

test('the entry of slot A has the bytes that OVMF was observed to boot', () => {
  assert.equal(serializeLoadOption(bootEntry('A')).toString('hex'), slotA.toString('hex'));
  assert.deepEqual(parseLoadOption(slotA), bootEntry('A'));
});

test('the entries of the slots differ only in partition and description', () => {
  assert.equal(bootEntry('B').partition.number, 5);
  assert.notEqual(bootEntry('B').partition.uuid, bootEntry('A').partition.uuid);
  assert.equal(bootEntry('B').file, bootEntry('A').file);
  assert.equal(bootEntry('B', '\\x.efi').file, '\\x.efi');
});

test('sets verity in the existing entries, also damaged ones, and nowhere else', () => {
  const both = setBootOrder(setBootEntry(setBootEntry(empty, 'B', bootEntry('B')), 'A', bootEntry('A')), [
    'B',
    'A',
  ]);
  const off = setVerity(both, 'off');
  assert.equal(readBootState(off).entries.A?.file, '\\EFI\\Holdfast\\unverified.efi');
  assert.equal(readBootState(off).entries.B?.file, '\\EFI\\Holdfast\\unverified.efi');
  assert.deepEqual(readBootState(off).order, ['B', 'A']);
  assert.deepEqual(setVerity(off, 'on'), both);
  assert.deepEqual(setVerity(empty, 'off'), empty);
  const damage = { name: 'Boot000A', vendor: global, attributes: 7, data: Buffer.of(1) };
  assert.deepEqual(setVerity(setVariables(empty, damage), 'on'), setBootEntry(empty, 'A', bootEntry('A')));
});

test('parses every entry that it encodes', () => {
  const text = fc
    .string({ minLength: 1, maxLength: 40, unit: anyCharacter })
    .filter((value) => !value.includes('\0'));
  const sector = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const plain = { noNullPrototype: true };
  const entry = fc.record(
    {
      description: text,
      file: text,
      partition: fc.record(
        {
          number: fc.integer({ min: 1, max: 128 }),
          firstSector: sector,
          sectors: sector,
          uuid: fc
            .uint8Array({ minLength: 16, maxLength: 16 })
            .map((bytes) => guidFromBytes(Buffer.from(bytes))),
        },
        plain,
      ),
    },
    plain,
  );
  fc.assert(fc.property(entry, (one) => assert.deepEqual(parseLoadOption(serializeLoadOption(one)), one)));
});

test('rejects an entry that was changed, truncated or extended', () => {
  for (let length = 0; length < slotA.length; length++) {
    assert.throws(() => parseLoadOption(slotA.subarray(0, length)), damaged, `${length} bytes`);
  }
  assert.throws(() => parseLoadOption(Buffer.concat([slotA, Buffer.of(0)])), damaged);
  const inactive = Buffer.from(slotA).fill(0, 0, 1);
  assert.throws(() => parseLoadOption(inactive), damaged);
  const otherNode = Buffer.from(slotA);
  otherNode[slotA.indexOf('04012a00', 0, 'hex')] = 5;
  assert.throws(() => parseLoadOption(otherNode), damaged);
});

test('rejects texts that the firmware would truncate', () => {
  for (const text of ['', 'a\0b', 'x'.repeat(0x8000)]) {
    assert.throws(() => serializeLoadOption(bootEntry('A', text)), damaged);
  }
});

test('reads trial and commit back from the encoded file', () => {
  const reread = (store: typeof empty) => readBootState(parseVariableStore(serializeVariableStore(store)));
  assert.deepEqual(reread(empty), { entries: {}, order: [] });
  const first = setBootOrder(setBootEntry(empty, 'A', bootEntry('A')), ['A']);
  assert.deepEqual(reread(first), { entries: { A: bootEntry('A') }, order: ['A'] });
  const trial = setBootNext(setBootEntry(first, 'B', bootEntry('B')), 'B');
  const entries = { A: bootEntry('A'), B: bootEntry('B') };
  assert.deepEqual(reread(trial), { entries, order: ['A'], next: 'B' });
  assert.deepEqual(reread(setBootNext(trial, undefined)), { entries, order: ['A'] });
  assert.deepEqual(reread(setBootOrder(setBootNext(trial, undefined), ['B', 'A'])).order, ['B', 'A']);
});

test('ignores entries that the firmware added', () => {
  const foreign = (name: string, hex: string) => ({
    name,
    vendor: global,
    attributes: 7,
    data: Buffer.from(hex, 'hex'),
  });
  const store = setVariables(
    setBootEntry(empty, 'A', bootEntry('A')),
    foreign('BootOrder', '0a00000001000200'), // as OVMF extended it
    foreign('BootNext', '0000'),
    foreign('Boot0000', '0901'),
  );
  assert.deepEqual(readBootState(store), { entries: { A: bootEntry('A') }, order: ['A'] });
});

test('rejects a damaged boot order or slot entry', () => {
  const data = Buffer.of(0x0a);
  for (const name of ['BootOrder', 'BootNext', 'Boot000A', 'Boot000B']) {
    assert.throws(
      () => readBootState(setVariables(empty, { name, vendor: global, attributes: 7, data })),
      damaged,
    );
  }
});
