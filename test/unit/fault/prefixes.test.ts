import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootEntry, setBootEntry, setBootNext, setBootOrder } from '../../../src/firmware/boot.ts';
import { serializeVariableStore, type VariableStore } from '../../../src/firmware/store.ts';
import { Random } from '../../fault/cuts/random.ts';
import { type Event, PrefixCheck } from '../../fault/prefixes/check.ts';
import { digestOf, SlotBlocks } from '../../fault/prefixes/slot-blocks.ts';
import { goodFacts } from '../../support/audit-evidence.ts';

/* The check of an update that is interrupted anywhere, on a disk of a table and two slots of four blocks each. */

const block = 4096;
const place = { table: 0, A: 4 * block, B: 8 * block } as const;
const blocksOf = (text: string) => Array.from(text, (letter) => Buffer.alloc(block, letter));
const old = blocksOf('olds');
const fresh = blocksOf('new!');

const both = setBootEntry(goodFacts.variables, 'B', bootEntry('B'));
const committedA = setBootOrder(both, ['A', 'B']);
const retired = setBootOrder(both, ['A']);
const finalized = setBootNext(retired, 'B');
const committedB = setBootOrder(both, ['B', 'A']);

const replaced = (store: VariableStore): Event => ({
  kind: 'replaced',
  image: serializeVariableStore(store),
});
const flush: Event = { kind: 'flush' };
const started: Event = { kind: 'started' };
const stage = (slot: 'A' | 'B'): Event[] =>
  fresh.map((data, index) => ({ kind: 'write', offset: place[slot] + index * block, data }));

function check(events: readonly Event[]): PrefixCheck {
  const releases = [old, fresh].map((blocks) => blocks.map(digestOf));
  const slot = (offset: number) =>
    new SlotBlocks([{ offset, length: 4 * block }], old.map(digestOf), releases);
  const checked = new PrefixCheck({
    slots: { A: slot(place.A), B: slot(place.B) },
    tables: [{ offset: place.table, length: block }],
    variables: serializeVariableStore(committedA),
    random: new Random(1),
  });
  for (const event of events) checked.take(event);
  return checked;
}

function violations(events: readonly Event[]): string[] {
  return [...check(events).violations];
}

const good: readonly Event[] = [
  started,
  replaced(retired),
  started,
  ...stage('B'),
  flush,
  replaced(finalized),
  started,
  replaced(retired),
  started,
  replaced(committedB),
  started,
];

test('accepts an interruption anywhere in a valid update', () => {
  const { violations, prefixes } = check(good);
  assert.deepEqual([...violations], []);
  assert.equal(prefixes, good.length);
});

test('detects a writer of the active slot', () => {
  const found = violations([started, replaced(retired), started, ...stage('A').slice(0, 1)]);
  assert.match(found.join(), /slot A may boot and is not whole.*slot A runs and is not whole/);
  // also when it has completed, as an interruption may have left half of it
  assert.equal(violations([replaced(retired), started, ...stage('A'), flush]).length, 2);
});

test('detects a boot order that names a slot before it is written', () => {
  const early = [replaced(retired), replaced(committedB), ...stage('B'), flush];
  assert.match(violations(early).join(), /slot B may boot and is not whole \(BootOrder B,A/);
  const notRetired = [started, ...stage('B'), flush, replaced(finalized)];
  assert.match(violations(notRetired).join(), /slot B may boot and is not whole \(BootOrder A,B/);
});

test('detects a trial of an unflushed release', () => {
  const events = good.filter((event) => event !== flush);
  assert.match(violations(events).join(), /slot B may boot and is not whole \(BootOrder A, BootNext B/);
});

test('detects a write of the partition table, and of part of a block', () => {
  const write = (offset: number, length: number): Event => ({
    kind: 'write',
    offset,
    data: Buffer.alloc(length),
  });
  assert.match(violations([write(block - 512, 512)]).join(), /the partition table is written/);
  assert.match(violations([write(place.A + block, 512)]).join(), /slot A may boot/);
  assert.deepEqual(violations([write(12 * block, block)]), []);
});

const inPlace = (store: VariableStore): Event => ({
  kind: 'variables',
  offset: 0,
  data: serializeVariableStore(store).subarray(0, 0x40000),
});
const synced: Event = { kind: 'synced' };

test('detects a boot order that a power failure can restore, unless the next one was synced', () => {
  const early = [started, inPlace(retired), ...stage('B'), flush];
  assert.match(violations(early).join(), /slot B may boot and is not whole \(BootOrder A,B/);
  const before = [started, inPlace(retired), synced, ...stage('B'), flush, inPlace(finalized)];
  assert.deepEqual(violations(before), []);
});

test('the saved copy of the last synced variables replaces torn ones', () => {
  const torn = inPlace(setBootOrder(both, []));
  const repaired = check([torn, inPlace(committedA)]);
  assert.deepEqual([[...repaired.violations], repaired.torn.inAll], [[], 1]);
  const late = [started, inPlace(retired), torn, ...stage('B')];
  assert.match(violations(late).join(), /slot B may boot and is not whole \(BootOrder A,B/);
  assert.deepEqual(violations([started, inPlace(retired), synced, torn, ...stage('B')]), []);
});

test('checks each combination of pages once', () => {
  const page = (number: number, byte: number): Event => ({
    kind: 'variables',
    offset: 0x42000 + number * block, // where no slot is read
    data: Buffer.alloc(block, byte),
  });
  const outcomes = (events: readonly Event[]) => check(events).outcomes - check([]).outcomes;
  assert.equal(outcomes([page(0, 1)]), 2);
  assert.equal(outcomes([page(0, 1), page(1, 1)]), 4);
  assert.equal(outcomes([page(0, 1), page(0, 1)]), outcomes([page(0, 1)]) + 1);
  assert.ok(outcomes([0, 1, 2, 3, 4].map((number) => page(number, 1))) >= 32);
});
