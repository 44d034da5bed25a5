import type { Range } from '../../../src/disk/image.ts';
import type { Slot } from '../../../src/disk/layout.ts';
import type { Random } from '../cuts/random.ts';
import type { SlotBlocks } from './slot-blocks.ts';
import { type Said, VariableFile } from './variable-file.ts';
import type { LoggedWrite } from './write-log.ts';

/** An event on the host. */
export type Event =
  | LoggedWrite
  /** The firmware wrote to the variable store. */
  | { readonly kind: 'variables'; readonly offset: number; readonly data: Buffer }
  /** The host replaced the store while the machine was off. */
  | { readonly kind: 'replaced'; readonly image: Buffer }
  /** The host synced the store. */
  | { readonly kind: 'synced' }
  /** The machine starts. */
  | { readonly kind: 'started' };

export interface Before {
  readonly slots: Readonly<Record<Slot, SlotBlocks>>;
  /** The offsets of the copies of the partition table. */
  readonly tables: readonly Range[];
  readonly variables: Buffer;
  readonly random: Random;
}

/**
 * Checks the state that an interruption after each event would leave: exactly one slot is committed; each bootable or active slot
 * holds a complete release; the partition table is unchanged.
 */
export class PrefixCheck {
  /** Descriptions, each once. */
  readonly violations = new Set<string>();
  /** Number of events after which an interruption was checked. */
  prefixes = 0;
  /** Number of outcomes of these interruptions. Those of unflushed writes to slots count as one, as do repeated ones. */
  outcomes = 0;
  /** Number of outcomes with a torn store, so that the host starts from the saved copy; and those where only QEMU ended. */
  readonly torn = { inAll: 0, byKill: 0 };
  readonly #slots: Before['slots'];
  readonly #tables: readonly Range[];
  readonly #file: VariableFile;
  /** All possible states of the variables after an interruption, by text. */
  readonly #possible = new Map<string, Said>();
  #now: Said;
  #running: Slot | undefined;
  #at = 0;

  constructor({ slots, tables, variables, random }: Before) {
    this.#slots = slots;
    this.#tables = tables;
    this.#file = new VariableFile(variables, random);
    this.#now = this.#settle(this.#file.sync());
  }

  take(event: Event): void {
    this.#at += 1;
    this.prefixes += 1;
    this.outcomes += 1;
    if (event.kind === 'write') {
      const { offset, data } = event;
      if (
        this.#tables.some(
          (table) => offset < table.offset + table.length && offset + data.length > table.offset,
        )
      )
        this.#violate('the partition table is written');
      const isOurs = [this.#slots.A.write(offset, data), this.#slots.B.write(offset, data)].includes(true);
      if (isOurs) this.#judge();
    } else if (event.kind === 'flush') {
      for (const slot of [this.#slots.A, this.#slots.B]) slot.flush();
    } else if (event.kind === 'variables') {
      const outcomes = this.#file.write(event.offset, event.data);
      this.outcomes += outcomes.length - 1;
      this.torn.inAll += outcomes.filter(isTorn).length;
      this.torn.byKill += outcomes.slice(0, 1).filter(isTorn).length;
      for (const said of outcomes) this.#possible.set(textOf(said), said);
      this.#now = outcomes[0] ?? this.#now;
      this.#judge();
    } else if (event.kind === 'started') {
      this.#running = typeof this.#now === 'string' ? undefined : (this.#now.next ?? this.#now.order[0]);
      this.#judge();
    } else {
      if (event.kind === 'replaced') this.#running = undefined;
      this.#settle(event.kind === 'replaced' ? this.#file.replace(event.image) : this.#file.sync());
      this.#judge();
    }
  }

  #settle(said: Said): Said {
    this.#possible.clear();
    this.#possible.set(textOf(said), said);
    this.#now = said;
    return said;
  }

  #judge(): void {
    for (const said of this.#possible.values()) {
      if (typeof said === 'string') {
        this.#violate(`the variables cannot be read: ${said}`);
        continue;
      }
      if (said.order.length === 0) this.#violate('no slot is committed');
      for (const slot of new Set([...said.order, ...(said.next ? [said.next] : [])]))
        if (!this.#slots[slot].isWhole())
          this.#violate(`slot ${slot} may boot and is not whole (${textOf(said)})`);
    }
    if (this.#running && !this.#slots[this.#running].isWhole())
      this.#violate(`slot ${this.#running} runs and is not whole`);
  }

  #violate(what: string): void {
    if ([...this.violations].some((known) => known.endsWith(what))) return;
    this.violations.add(`event ${this.#at}: ${what}`);
  }
}

function isTorn(said: Said): boolean {
  return typeof said !== 'string' && said.isSaved;
}

function textOf(said: Said): string {
  return typeof said === 'string'
    ? said
    : `BootOrder ${said.order.join(',')}, BootNext ${said.next ?? 'none'}`;
}
