import { type Slot, sectorSize, slotPartition, ukiPaths, type Verity } from '../disk/layout.ts';
import { type LoadOption, parseLoadOption, serializeLoadOption } from './load-option.ts';
import { malformed } from './malformed.ts';
import { attributes, vendors } from './names.ts';
import type { Variable } from './record.ts';
import { deleteVariable, findVariable, setVariables, type VariableStore } from './store.ts';

/**
 * The number of each slot's boot entry, `Boot000A` and `Boot000B`. OVMF assigns the lowest free
 * numbers to the boot options that it discovers, so it never reuses these.
 */
const entryNumbers: Readonly<Record<Slot, number>> = { A: 0x000a, B: 0x000b };
const slots: readonly Slot[] = ['A', 'B'];

/** The boot entries and their order, as the firmware will use them. */
export interface FirmwareBootState {
  /** The existing entries. */
  readonly entries: Readonly<Partial<Record<Slot, LoadOption>>>;
  /** Slots in the order in which they are tried; the first is the committed slot. */
  readonly order: readonly Slot[];
  /** The slot that the next start, and only that, tries. */
  readonly next?: Slot;
}

/**
 * Returns the entry that starts a slot's signed UKI.
 * @param file path of the UKI on the slot's boot partition.
 */
export function bootEntry(slot: Slot, file: string = ukiPaths.on): LoadOption {
  const { number, offset, size, uuid } = slotPartition(slot, 'boot');
  return {
    description: `Holdfast ${slot}`,
    partition: { number, firstSector: BigInt(offset / sectorSize), sectors: BigInt(size / sectorSize), uuid },
    file,
  };
}

/**
 * Creates or replaces the entry of a slot. `setBootOrder` and `setBootNext` determine whether it is
 * used.
 */
export function setBootEntry(store: VariableStore, slot: Slot, entry: LoadOption): VariableStore {
  return setVariables(store, shared(entryName(slot), serializeLoadOption(entry)));
}

/** Points each existing slot entry, damaged or not, at the UKI with or without verity. */
export function setVerity(store: VariableStore, verity: Verity): VariableStore {
  return slots
    .filter((slot) => findVariable(store, vendors.global, entryName(slot)))
    .reduce((changed, slot) => setBootEntry(changed, slot, bootEntry(slot, ukiPaths[verity])), store);
}

/**
 * Commits a boot order: the firmware tries these slots first, then the boot options that it
 * discovers itself.
 */
export function setBootOrder(store: VariableStore, order: readonly Slot[]): VariableStore {
  return setVariables(store, shared('BootOrder', numbers(order.map((slot) => entryNumbers[slot]))));
}

/** Makes the next start, and only that, a trial of this slot; undefined cancels a trial. */
export function setBootNext(store: VariableStore, slot: Slot | undefined): VariableStore {
  if (slot === undefined) return deleteVariable(store, vendors.global, 'BootNext');
  return setVariables(store, shared('BootNext', numbers([entryNumbers[slot]])));
}

/**
 * Puts the slots first in the boot order, before the existing entries of the firmware, and cancels a `BootNext` that is no trial of
 * a slot. Their order stays.
 */
export function setSlotsFirst(store: VariableStore): VariableStore {
  const seen = new Set(numbersOf(findVariable(store, vendors.global, 'BootOrder')));
  const isSlot = (number: number) => slots.some((slot) => entryNumbers[slot] === number);
  const hasEntry = (number: number) =>
    findVariable(store, vendors.global, `Boot${hex(number)}`) !== undefined;
  const order = [...seen].filter(isSlot).concat([...seen].filter((each) => !isSlot(each) && hasEntry(each)));
  const next = findVariable(store, vendors.global, 'BootNext');
  const isTrial = next?.data.length === 2 && isSlot(next.data.readUInt16LE(0));
  const kept = isTrial ? store : deleteVariable(store, vendors.global, 'BootNext');
  if (order.length === 0) return deleteVariable(kept, vendors.global, 'BootOrder');
  return setVariables(kept, shared('BootOrder', numbers(order)));
}

/** Makes the firmware boot without waiting for a key. */
export function setNoBootMenu(store: VariableStore): VariableStore {
  return setVariables(store, shared('Timeout', numbers([0])));
}

/**
 * Reads the entries and order of the slots. Leaves out the entries that the firmware created.
 * @throws HoldfastError `firmware.variables` when an entry of a slot is damaged.
 */
export function readBootState(store: VariableStore): FirmwareBootState {
  const entries: Partial<Record<Slot, LoadOption>> = {};
  for (const slot of slots) {
    const found = findVariable(store, vendors.global, entryName(slot));
    if (found) entries[slot] = parseLoadOption(found.data);
  }
  const [next] = slotsIn(store, 'BootNext');
  return { entries, order: slotsIn(store, 'BootOrder'), ...(next ? { next } : {}) };
}

function slotsIn(store: VariableStore, name: string): Slot[] {
  const variable = findVariable(store, vendors.global, name);
  if (variable && variable.data.length % 2 !== 0) throw malformed(`${name} is not a list of boot entries`);
  return numbersOf(variable).flatMap((number) => slots.find((each) => entryNumbers[each] === number) ?? []);
}

function numbersOf(list: Variable | undefined): number[] {
  const data = list?.data ?? Buffer.alloc(0);
  return Array.from({ length: Math.floor(data.length / 2) }, (_, at) => data.readUInt16LE(at * 2));
}

/** Returns `Boot####` with upper-case hex digits (UEFI specification 2.10, section 3.1.1). */
function entryName(slot: Slot): string {
  return `Boot${hex(entryNumbers[slot])}`;
}

function hex(number: number): string {
  return number.toString(16).toUpperCase().padStart(4, '0');
}

function numbers(values: readonly number[]): Buffer {
  const data = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) data.writeUInt16LE(value, index * 2);
  return data;
}

function shared(name: string, data: Buffer): Variable {
  return { name, vendor: vendors.global, attributes: attributes.shared, data };
}
