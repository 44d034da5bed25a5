import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Guid, guid, guidFromBytes } from '../../../src/base/guid.ts';
import {
  bootEntry,
  readBootState,
  setBootEntry,
  setBootNext,
  setBootOrder,
} from '../../../src/firmware/boot.ts';
import { createVariableStore } from '../../../src/firmware/create.ts';
import { attributes, vendors } from '../../../src/firmware/names.ts';
import { isOwn, ownVariables, printedVariable } from '../../../src/firmware/own-variables.ts';
import type { Variable } from '../../../src/firmware/record.ts';
import {
  findVariable,
  parseVariableStore,
  serializeVariableStore,
  setVariables,
} from '../../../src/firmware/store.ts';
import { anyCharacter } from '../../support/any-character.ts';
import { certificate } from '../../support/certificate.ts';
import { storeFile } from '../../support/variable-store-file.ts';

const keys = { pk: certificate, kek: certificate, db: certificate };
const deployed = parseVariableStore(createVariableStore(storeFile(), keys, ['A']));
const other = guid('12345678-9abc-def0-1122-334455667788');
const { global } = vendors;

function shared(name: string, data: Buffer = Buffer.of(1), vendor: Guid = global): Variable {
  return { name, vendor, attributes: attributes.shared, data };
}

function numbers(...values: readonly number[]): Buffer {
  return Buffer.concat(values.map((value) => Buffer.of(value & 0xff, value >> 8)));
}

/** What OVMF 2022.11 adds at the first start, by name, vendor, attributes and size. */
const firmware: readonly Variable[] = [
  ['certdb', 'd9bee56e-75dc-49d9-b4d7-b534210f637a', 0x27, 4],
  ['VendorKeysNv', '9073e4e0-60ec-4b6e-9903-4c223c260f3c', 0x23, 1],
  ['MTC', 'eb704011-1402-11d3-8e77-00a0c969723b', 7, 4],
  ['Attempt 1', '59324945-ec44-4c0d-b1cd-9db139df070c', 3, 1049],
  ['InitialAttemptOrder', '4b47d616-a8d6-4552-9d44-ccad2e0f4cf9', 3, 8],
  ['TCG2_VERSION', '6339d487-26ba-424b-9a5d-687e25d740bc', 3, 16],
  ['Boot0000', global, 7, 62],
  ['PlatformLang', global, 7, 3],
  ['Lang', global, 7, 4],
  ['VarErrorFlag', '04b37fe8-f6ae-480b-bdd5-37d98c5e89aa', 7, 1],
  ['Key0000', global, 7, 14],
  ['ConOut', global, 7, 73],
  ['ConIn', global, 7, 122],
  ['ErrOut', global, 7, 73],
  ['Boot0001', global, 7, 78],
  ['Boot0002', global, 7, 88],
  ['MemoryTypeInformation', '4c19049f-4137-4dd3-9c10-8b97a83ffdfa', 3, 48],
  ['HDDP', 'fab7e9e1-39dd-4f2b-8408-e20e906cb6de', 3, 64],
].map(([name, vendor, bits, size]) => ({
  name: String(name),
  vendor: guid(String(vendor)),
  attributes: Number(bits),
  data: Buffer.alloc(Number(size), 1),
}));

const started = setVariables(deployed, ...firmware, shared('BootOrder', numbers(0x0a, 0, 1, 2)));

test('keeps every variable of a new machine and of its firmware', () => {
  assert.deepEqual(ownVariables(deployed), deployed);
  assert.deepEqual(ownVariables(started), started);
  const enrolled = {
    ...shared('dbx', Buffer.alloc(100), vendors.imageSecurity),
    attributes: attributes.signed,
  };
  assert.deepEqual(ownVariables(setVariables(started, enrolled)), setVariables(started, enrolled));
});

test('keeps a pending trial, the committed slot and the entries of both', () => {
  const both = setBootOrder(setBootEntry(started, 'B', bootEntry('B')), ['B', 'A']);
  for (const store of [both, setBootNext(both, 'A'), setBootNext(setBootOrder(both, ['A']), 'B')])
    assert.deepEqual(readBootState(ownVariables(store)), readBootState(store));
});

const junk: Readonly<Record<string, Variable>> = {
  'of another vendor': shared('Junk', Buffer.alloc(1500), other),
  'with our name and another vendor': shared('BootNext', numbers(0x0a), other),
  'with our name and other attributes': { ...shared('BootNext', numbers(0x0a)), attributes: 0x27 },
  'with our name and too much data': shared('Timeout', Buffer.alloc(3)),
  'an entry of a number that OVMF does not assign': shared('Boot1234', Buffer.alloc(62)),
  'an entry that is far larger than those of OVMF': shared('Boot0003', Buffer.alloc(30_000)),
  'a driver': shared('Driver0000'),
  'the order of drivers': shared('DriverOrder', numbers(0)),
  'a program before the boot entries': shared('SysPrep0000'),
  'the wish for the firmware menu': shared('OsIndications', Buffer.from('0100000000000000', 'hex')),
  'signed by a key of the guest': { ...shared('Mine', Buffer.alloc(9), other), attributes: 0x27 },
  'the certificates of such variables': {
    ...shared('certdb', Buffer.alloc(3000), guid('d9bee56e-75dc-49d9-b4d7-b534210f637a')),
    attributes: 0x27,
  },
  'a platform key that needs no signature': shared('PK', Buffer.alloc(100), other),
  'a hardware error record': { ...shared('HwErrRec0000', Buffer.of(1), other), attributes: 0xf },
  'a name that is a prototype': shared('__proto__', Buffer.of(1), other),
  'a name of half a character': shared('\ud800', Buffer.of(1), other),
};

for (const [what, variable] of Object.entries(junk)) {
  test(`removes a variable ${what}`, () => {
    assert.equal(isOwn(variable), false);
    assert.deepEqual(ownVariables({ ...started, variables: [variable, ...started.variables] }), started);
  });
}

test('removes any runtime variable that is not in the list, and nothing else', () => {
  const foreign = fc.record({
    name: fc
      .string({ minLength: 1, maxLength: 30, unit: anyCharacter })
      .filter((name) => !name.includes('\0')),
    vendor: fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map((bytes): Guid => guidFromBytes(Buffer.from(bytes))),
    attributes: fc.constantFrom(0x07, 0x0f, 0x27, 0x2f),
    data: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  });
  fc.assert(
    fc.property(fc.array(foreign, { maxLength: 20 }), (variables) => {
      const filled = parseVariableStore(serializeVariableStore(setVariables(started, ...variables)));
      assert.deepEqual(ownVariables(filled), started);
    }),
    { numRuns: 50 },
  );
});

test('whatever the guest writes, the own variables leave most of the store free', () => {
  const name = fc.constantFrom(
    ...[
      'PK',
      'Boot0000',
      'Boot0009',
      'Boot000A',
      'BootOrder',
      'BootNext',
      'Key0003',
      'ConIn',
      'ConOut',
      'Lang',
    ],
  );
  const any = fc.tuple(name, fc.integer({ min: 0, max: 30_000 }));
  fc.assert(
    fc.property(fc.array(any, { maxLength: 8 }), (written) => {
      const variables = written.map(([each, size]) => shared(each, Buffer.alloc(size)));
      const own = ownVariables(setVariables(started, ...variables)).variables;
      const size = own.reduce((sum, { data }) => sum + data.length, 0);
      assert.ok(size < 0x8000, `${size} bytes`);
    }),
    { numRuns: 100 },
  );
});

test('puts the slots before other entries, and cancels a start of anything else', () => {
  const order = (...values: readonly number[]) =>
    findVariable(
      ownVariables(setVariables(started, shared('BootOrder', numbers(...values)))),
      global,
      'BootOrder',
    )?.data;
  assert.deepEqual(order(1, 0x0b, 0, 0x0a, 0x0a), numbers(0x0b, 0x0a, 1, 0));
  assert.deepEqual(order(0x1234, 0x0a, 9), numbers(0x0a), 'entries that are gone');
  assert.deepEqual(order(0, 1), numbers(0, 1), 'without a slot');
  assert.equal(order(0x1234), undefined);
  for (const data of [numbers(0), numbers(0x1234), numbers(0x0a, 0x0b), Buffer.of(0x0a), Buffer.alloc(0)])
    assert.equal(
      findVariable(ownVariables(setVariables(started, shared('BootNext', data))), global, 'BootNext'),
      undefined,
    );
});

test('prints a name in plain ASCII of bounded length', () => {
  assert.equal(printedVariable(shared('Junk', Buffer.of(1), other)), `Junk of ${other}`);
  assert.equal(
    printedVariable(shared('a\u001b]52\u009b b', Buffer.of(1), other)),
    `a\\u001b]52\\u009b\\u0020b of ${other}`,
  );
  assert.ok(printedVariable(shared('\u0001'.repeat(1000), Buffer.of(1), other)).length < 300);
});
