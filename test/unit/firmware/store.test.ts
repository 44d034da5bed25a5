import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFailure } from '../../../src/base/errors.ts';
import { type Guid, guid, guidFromBytes } from '../../../src/base/guid.ts';
import type { Variable } from '../../../src/firmware/record.ts';
import {
  deleteVariable,
  findVariable,
  parseVariableStore,
  serializeVariableStore,
  setVariables,
} from '../../../src/firmware/store.ts';
import { anyCharacter } from '../../support/any-character.ts';
import {
  headers,
  loggedWrite,
  logStart,
  record,
  recordsStart,
  spareStart,
  storeFile,
} from '../../support/variable-store-file.ts';

const vendor = guid('12345678-9abc-def0-1122-334455667788');
const damaged = { code: 'firmware.variables' };
const empty = storeFile();

const anyVariable: fc.Arbitrary<Variable> = fc
  .record({
    name: fc
      .string({ minLength: 1, maxLength: 20, unit: anyCharacter })
      .filter((name) => !name.includes('\0')),
    vendor: fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map((bytes): Guid => guidFromBytes(Buffer.from(bytes))),
    attributes: fc.integer({ min: 0, max: 0x3f }),
    data: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    timestamp: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
  })
  .map(({ timestamp, ...variable }) => ({
    ...variable,
    ...(timestamp.some((byte) => byte !== 0) && { timestamp }),
  }));

function names(file: Buffer): string[] {
  return parseVariableStore(file).variables.map(({ name }) => name);
}

function contentOf(file: Buffer): string | undefined {
  return findVariable(parseVariableStore(file), vendor, 'One')?.data.toString();
}

/** Returns a copy of a file with some bytes replaced. */
function patched(file: Buffer, offset: number, ...bytes: readonly number[]): Buffer {
  const copy = Buffer.from(file);
  copy.set(bytes, offset);
  return copy;
}

test('encodes an empty store to the bytes it was parsed from', () => {
  const store = parseVariableStore(empty);
  assert.deepEqual(store.variables, []);
  assert.ok(serializeVariableStore(store).equals(empty));
});

test("the empty store is Debian's", { skip: !existsSync('/usr/share/OVMF/OVMF_VARS_4M.fd') }, () => {
  assert.ok(readFileSync('/usr/share/OVMF/OVMF_VARS_4M.fd').equals(empty));
});

test('parses name, vendor, attributes, data and time of a record', () => {
  const timestamp = Buffer.from('ea070b160c222d00'.padEnd(32, '0'), 'hex');
  const { variables } = parseVariableStore(storeFile(record({ timestamp })));
  assert.deepEqual(variables, [
    {
      name: 'One',
      vendor,
      attributes: 7,
      data: Buffer.from('data!'),
      timestamp,
    },
  ]);
});

test('parses and encodes a time that does not exist, which the firmware stores for a guest', () => {
  const timestamp = Buffer.from('ffff4d00'.padEnd(32, '7'), 'hex');
  const file = storeFile(record({ timestamp }));
  assert.ok(serializeVariableStore(parseVariableStore(file)).equals(file));
});

test('encodes variables byte for byte as edk2 does', () => {
  const store = setVariables(
    parseVariableStore(empty),
    { name: 'One', vendor, attributes: 7, data: Buffer.from('data!') },
    { name: 'Two', vendor, attributes: 7, data: Buffer.alloc(0) },
  );
  const expected = storeFile(record(), record({ name: 'Two', data: Buffer.alloc(0) }));
  assert.ok(serializeVariableStore(store).equals(expected));
});

test('parses all variables that it encodes', () => {
  const store = parseVariableStore(empty);
  fc.assert(
    fc.property(fc.array(anyVariable, { maxLength: 8 }), (variables) => {
      const written = setVariables(store, ...variables);
      const read = parseVariableStore(serializeVariableStore(written));
      assert.deepEqual(read.variables, written.variables);
      for (const variable of variables) assert.ok(findVariable(read, variable.vendor, variable.name));
    }),
    { numRuns: 30 },
  );
});

test('setting replaces in place, deleting removes, and neither changes the original store', () => {
  const store = parseVariableStore(storeFile(record(), record({ name: 'Two' })));
  const other = setVariables(store, { name: 'One', vendor, attributes: 3, data: Buffer.from('new') });
  assert.deepEqual(
    other.variables.map(({ name, attributes }) => [name, attributes]),
    [['One', 3], ['Two', 7]], // biome-ignore format: a table
  );
  assert.deepEqual(
    deleteVariable(other, vendor, 'One').variables.map(({ name }) => name),
    ['Two'],
  );
  assert.equal(
    deleteVariable(store, guid('00000000-0000-0000-0000-000000000000'), 'One').variables.length,
    2,
  );
  assert.equal(findVariable(store, vendor, 'One')?.data.toString(), 'data!');
});

test('leaves out records that are deleted, replaced or incomplete', () => {
  const states = [0x3c, 0x3d, 0x7f, 0x7c];
  const dead = states.map((state) => record({ state, name: 'Dead' }));
  assert.deepEqual(names(storeFile(...dead, record(), ...dead, record({ name: 'Two' }))), ['One', 'Two']);
});

test('a variable being replaced is valid until the new record is complete', () => {
  const old = record({ state: 0x3e, data: Buffer.from('old') });
  const fresh = (state: number) => record({ state, data: Buffer.from('new') });
  assert.equal(contentOf(storeFile(old)), 'old');
  assert.equal(contentOf(storeFile(old, fresh(0x7f))), 'old');
  assert.equal(contentOf(storeFile(old, fresh(0x3f))), 'new');
  assert.equal(contentOf(storeFile(fresh(0x3f), old)), 'new');
  assert.throws(() => names(storeFile(fresh(0x3f), fresh(0x3f))), damaged);
});

test('an interruption at any byte of the last record loses that record only', () => {
  const file = storeFile(record(), record({ name: 'Two' }));
  const start = recordsStart + record().length;
  for (let written = 0; written < 60; written++) {
    const cut = Buffer.from(file).fill(0xff, start + written, start + record().length);
    if (written > 2) cut[start + 2] = 0xff; // the firmware marks the header valid only once it is complete
    assert.deepEqual(names(cut), ['One'], `after ${written} bytes`);
  }
});

test('rejects damaged headers', () => {
  for (let at = 0; at < 0x48; at++) {
    assert.throws(
      () => parseVariableStore(patched(empty, at, (headers[at] ?? 0) ^ 1)),
      damaged,
      `byte ${at}`,
    );
  }
  for (let at = 0x48; at < 0x5e; at++) {
    assert.throws(
      () => parseVariableStore(patched(empty, at, (headers[at] ?? 0) ^ 1)),
      damaged,
      `byte ${at}`,
    );
  }
});

test('rejects files of another size or kind', () => {
  assert.throws(() => parseVariableStore(Buffer.alloc(0)), damaged);
  assert.throws(() => parseVariableStore(empty.subarray(0, -1)), damaged);
  assert.throws(() => parseVariableStore(Buffer.alloc(empty.length)), damaged);
  const otherVolume = patched(empty, 16, 0x8e, 0x2b, 0xf1, 0xff, 0x95); // with the same checksum
  assert.throws(() => parseVariableStore(otherVolume), damaged);
});

test('rejects damaged records', () => {
  const broken: Readonly<Record<string, Buffer>> = {
    'longer than the store': record({ dataSize: 0x40000 }),
    'longer than any number': record({ dataSize: 0xffffffff, nameSize: 0xffffffff }),
    'name without an end': record({ nameSize: 6, dataSize: 7 }),
    'name of odd length': record({ nameSize: 7, dataSize: 6 }),
    'empty name': record({ name: '' }),
    'name with a NUL': record({ name: 'O\0e' }),
    'counter instead of time': record({ monotonicCount: 1n }),
  };
  for (const [what, bytes] of Object.entries(broken)) {
    assert.throws(() => parseVariableStore(storeFile(bytes)), damaged, what);
  }
  assert.throws(() => names(storeFile(record(), Buffer.from('something else'))), damaged);
});

test('rejects invalid names, and variables that do not fit', () => {
  const store = parseVariableStore(empty);
  const data = Buffer.alloc(0x10000);
  const write = (...changes: Variable[]) => serializeVariableStore(setVariables(store, ...changes));
  assert.throws(() => write({ name: '', vendor, attributes: 7, data }), damaged);
  assert.throws(() => write({ name: 'a\0b', vendor, attributes: 7, data }), damaged);
  assert.throws(
    () => write(...['a', 'b', 'c', 'd'].map((name) => ({ name, vendor, attributes: 7, data }))),
    damaged,
  );
});

test('parses or rejects a store with damage anywhere, and throws no other error', () => {
  const file = storeFile(record(), record({ state: 0x3e, name: 'Two' }), record({ state: 0x3c }));
  loggedWrite().copy(file, logStart + 32);
  const place = fc.oneof(
    fc.integer({ min: 0, max: 0x200 }),
    fc.integer({ min: logStart, max: logStart + 0x80 }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(place, fc.integer({ min: 0, max: 255 })), { maxLength: 4 }), (changes) => {
      const copy = Buffer.from(file);
      for (const [at, value] of changes) copy[at] = value;
      try {
        parseVariableStore(copy);
      } catch (error) {
        assert.ok(isFailure(error, 'firmware.variables'), String(error));
      }
    }),
    { numRuns: 100 },
  );
});

/** Returns a store with the variable `main`, whose spare area has the variable `spare`, with this log. */
function interrupted(...log: readonly Buffer[]): Buffer {
  const file = storeFile(record({ data: Buffer.from('main') }));
  storeFile(record({ data: Buffer.from('spare') })).copy(file, spareStart, 0, 0x40000);
  Buffer.concat(log).copy(file, logStart + 32);
  return file;
}

test('completes an interrupted write from the spare area', () => {
  const pending = loggedWrite({ headerState: 0xfc, recordState: 0xfd });
  assert.equal(contentOf(interrupted()), 'main');
  assert.equal(contentOf(interrupted(loggedWrite())), 'main');
  assert.equal(contentOf(interrupted(pending)), 'spare');
  assert.equal(contentOf(interrupted(loggedWrite(), loggedWrite(), pending)), 'spare');
  const erasedMain = interrupted(pending).fill(0xff, 0, 0x40000);
  assert.equal(contentOf(erasedMain), 'spare');
  const repaired = serializeVariableStore(parseVariableStore(erasedMain));
  assert.ok(repaired.equals(storeFile(record({ data: Buffer.from('spare') }))));
});

test('ignores a write that did not reach the spare area or is complete', () => {
  assert.equal(contentOf(interrupted(loggedWrite({ headerState: 0xfc, recordState: 0xff }))), 'main');
  assert.equal(contentOf(interrupted(loggedWrite({ headerState: 0xfe, recordState: 0xfd }))), 'main');
  assert.equal(contentOf(interrupted(loggedWrite({ headerState: 0xfc }))), 'main');
});

test('rejects a log that writes elsewhere or extends beyond its end', () => {
  const pending = { headerState: 0xfc, recordState: 0xfd };
  for (const fields of [
    { length: 0x41000n }, // over the log itself
    { length: 0xffffffffffffffb7n },
    { relativeOffset: 0n },
    { relativeOffset: -0x42001n },
    { relativeOffset: -0x83000n },
    { relativeOffset: 0x7fffffffffffffffn },
    { writes: 0n },
    { writes: 0xffffffffffffffffn },
  ]) {
    assert.throws(() => names(interrupted(loggedWrite({ ...pending, ...fields }))), damaged);
  }
});
