import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootEntry, setBootEntry, setBootNext, setBootOrder } from '../../src/firmware/boot.ts';
import { serialiseVariableStore, type VariableStore } from '../../src/firmware/store.ts';
import { Random } from '../fault/cuts/random.ts';
import { type Event, PrefixCheck } from '../fault/prefixes/check.ts';
import { digestOf, SlotBlocks } from '../fault/prefixes/slot-blocks.ts';
import { goodFacts } from './support/audit-evidence.ts';

/*
 * The check that finds out whether an update can be cut off anywhere, on a disk of a table and two slots of four blocks each.
 */

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
  image: serialiseVariableStore(store),
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
    variables: serialiseVariableStore(committedA),
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

test('an update that keeps the rules may be cut anywhere', () => {
  const { violations, prefixes } = check(good);
  assert.deepEqual([...violations], []);
  assert.equal(prefixes, good.length);
});

test('a writer of the slot that runs is found', () => {
  const found = violations([started, replaced(retired), started, ...stage('A').slice(0, 1)]);
  assert.match(found.join(), /slot A may boot and is not whole.*slot A runs and is not whole/);
  // also when it has come to an end, as a cut may have left half of it
  assert.equal(violations([replaced(retired), started, ...stage('A'), flush]).length, 2);
});

test('an order of boot that names a slot before it is written is found', () => {
  const early = [replaced(retired), replaced(committedB), ...stage('B'), flush];
  assert.match(violations(early).join(), /slot B may boot and is not whole \(BootOrder B,A/);
  const notRetired = [started, ...stage('B'), flush, replaced(finalized)];
  assert.match(violations(notRetired).join(), /slot B may boot and is not whole \(BootOrder A,B/);
});

test('a trial of what is not flushed is found', () => {
  const events = good.filter((event) => event !== flush);
  assert.match(violations(events).join(), /slot B may boot and is not whole \(BootOrder A, BootNext B/);
});

test('who writes the partition table, or a part of a block, is found', () => {
  const write = (offset: number, length: number): Event => ({
    kind: 'write',
    offset,
    data: Buffer.alloc(length),
  });
  assert.match(violations([write(block - 512, 512)]).join(), /the partition table is written/);
  assert.match(violations([write(place.A + block, 512)]).join(), /slot A may boot/);
  assert.deepEqual(violations([write(12 * block, block)]), []);
});

test('variables that a power cut leaves half written are found, unless they were synced in between', () => {
  // the firmware's way: the old one goes, on one page, when the new one is there, on another
  const before = serialiseVariableStore(committedA);
  const after = serialiseVariableStore(setBootOrder(both, []));
  const inBetween: Event = { kind: 'variables', offset: 0, data: after.subarray(0, 0x40000) };
  const back: Event = { kind: 'variables', offset: 0, data: before.subarray(0, 0x40000) };
  assert.match(violations([inBetween]).join(), /no slot is committed/);
  assert.match(violations([inBetween, back]).join(), /no slot is committed/);
  assert.deepEqual(violations([back, { kind: 'synced' }, back]), []);
});
