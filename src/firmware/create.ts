import type { Slot } from '../disk/layout.ts';
import { bootEntry, setBootEntry, setBootOrder, setNoBootMenu } from './boot.ts';
import { enrolSecureBoot, type SecureBootKeys } from './secure-boot.ts';
import { parseVariableStore, serializeVariableStore } from './store.ts';

/**
 * Creates the variable store of a new machine: Secure Boot enabled with the given keys, the slots
 * in the boot order, no boot menu.
 *
 * The firmware follows `BootOrder` only if the hypervisor passes no order of its own: no device may
 * have a `bootindex`.
 * @param template the empty store that is installed with the firmware:
 *   `Hypervisor.variablesTemplate`.
 * @param keys certificates in DER. One certificate may be used twice.
 * @param order the slots that have a UKI; the first is booted.
 * @throws HoldfastError `firmware.variables`.
 */
export function createVariableStore(template: Buffer, keys: SecureBootKeys, order: readonly Slot[]): Buffer {
  let store = enrolSecureBoot(parseVariableStore(template), keys);
  for (const slot of order) store = setBootEntry(store, slot, bootEntry(slot));
  return serializeVariableStore(setNoBootMenu(setBootOrder(store, order)));
}
