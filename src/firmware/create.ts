import type { Slot } from '../disk/layout.ts';
import { bootEntry, setBootEntry, setBootOrder, setNoBootMenu } from './boot.ts';
import { enrolSecureBoot, type SecureBootKeys } from './secure-boot.ts';
import { parseVariableStore, serialiseVariableStore } from './store.ts';

/**
 * Makes a new machine's variable store: Secure Boot on with our keys, the slots in boot order, no boot menu. The result
 * is the file for the second pflash drive, next to the read-only `OVMF_CODE_4M.secboot.fd`. For example
 * `createVariableStore(await readFile('/usr/share/OVMF/OVMF_VARS_4M.fd'), { pk, kek, db }, ['A'])`.
 *
 * The firmware obeys `BootOrder` only while the hypervisor passes it no order of its own: give no device a `bootindex`.
 * @param template the empty store that comes with the firmware.
 * @param keys certificates in DER. One certificate may serve in two places.
 * @param order the slots that have a UKI; the first is booted.
 * @throws HoldfastError `firmware.variables`.
 */
export function createVariableStore(template: Buffer, keys: SecureBootKeys, order: readonly Slot[]): Buffer {
  let store = enrolSecureBoot(parseVariableStore(template), keys);
  for (const slot of order) store = setBootEntry(store, slot, bootEntry(slot));
  return serialiseVariableStore(setNoBootMenu(setBootOrder(store, order)));
}
