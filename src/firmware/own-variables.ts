import type { Guid } from '../base/guid.ts';
import { setSlotsFirst } from './boot.ts';
import { attributes, runtime, vendors } from './names.ts';
import type { Variable } from './record.ts';
import type { VariableStore } from './store.ts';

/*
 * Root in the guest can write any runtime variable of any vendor, and can fill the store with them: then nothing can write
 * BootNext, and no update is possible. The firmware frees no space at run time, not even that of deleted variables (edk2:
 * MdeModulePkg/Universal/Variable, UpdateVariable). Some standard variables also stop a boot: OsIndications opens the firmware's menu,
 * Timeout waits for a key, Driver#### names programs to start.
 */

/** A variable that a machine keeps. */
interface Kept {
  readonly vendor: Guid;
  readonly name: RegExp;
  /** All of them, exactly. Default: `attributes.shared`. */
  readonly attributes?: number;
  /** Limit for the data in bytes, from what OVMF writes. */
  readonly most: number;
}

const { signed } = attributes;

/** The variables with runtime access of Holdfast and of OVMF. */
const kept: readonly Kept[] = [
  // Secure Boot: changed by signed updates only, and the host has the keys. A certificate is below 4 KiB.
  { vendor: vendors.global, name: /^(?:PK|KEK)$/, attributes: signed, most: 0x8000 },
  { vendor: vendors.imageSecurity, name: /^dbx?$/, attributes: signed, most: 0x8000 },
  // OVMF numbers what it finds from 0; Boot000A and Boot000B are the slots
  { vendor: vendors.global, name: /^Boot000[0-9AB]$/, most: 512 },
  { vendor: vendors.global, name: /^BootOrder$/, most: 64 },
  { vendor: vendors.global, name: /^(?:BootNext|Timeout)$/, most: 2 },
  { vendor: vendors.global, name: /^Key000[0-9]$/, most: 64 },
  { vendor: vendors.global, name: /^Con(?:In|Out)$|^ErrOut$/, most: 1024 },
  { vendor: vendors.global, name: /^(?:Platform)?Lang$/, most: 16 },
  // the empty list of certificates of variables that others signed: those variables are not kept
  { vendor: vendors.certificates, name: /^certdb$/, attributes: signed, most: 4 },
  { vendor: vendors.monotonicCounter, name: /^MTC$/, most: 4 },
  { vendor: vendors.errorFlag, name: /^VarErrorFlag$/, most: 1 },
  { vendor: vendors.memoryOverwrite, name: /^MemoryOverwriteRequestControl(?:Lock)?$/, most: 8 },
];

/**
 * Returns whether a variable is Holdfast's or the firmware's. One without runtime access is the firmware's: an operating system
 * cannot create it (UEFI specification 2.10, section 8.2.2).
 */
export function isOwn(variable: Variable): boolean {
  if ((variable.attributes & runtime) === 0) return true;
  return kept.some(
    (rule) =>
      rule.vendor === variable.vendor &&
      rule.name.test(variable.name) &&
      (rule.attributes ?? attributes.shared) === variable.attributes &&
      variable.data.length <= rule.most,
  );
}

/** Returns the store with nothing but Holdfast's variables and the firmware's. The committed slot and a pending trial stay. */
export function ownVariables(store: VariableStore): VariableStore {
  return setSlotsFirst({ ...store, variables: store.variables.filter(isOwn) });
}

/** Returns the name of a variable in printable ASCII, with its vendor: the guest chooses both. */
export function printedVariable({ name, vendor }: Variable): string {
  const printed = name
    .slice(0, 40)
    .replace(/[^!-~]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `${printed}${name.length > 40 ? '…' : ''} of ${vendor}`;
}
