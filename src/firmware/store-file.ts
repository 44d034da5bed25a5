import { readBounded, writeFileAtomic } from '../base/files.ts';
import { finishInterruptedWrite } from './fault-tolerant-write.ts';
import { geometry } from './geometry.ts';
import { ownVariables } from './own-variables.ts';
import { parseVariableStore, serializeVariableStore, usedBytes, type VariableStore } from './store.ts';

/**
 * Reads a machine's variable store. While the machine runs, its firmware can be in the middle of a
 * write; the result can then lack the latest change.
 * @throws HoldfastError `firmware.variables`, `file.too-large`; Node's system errors when it cannot
 *   be read.
 */
export async function readVariableStore(path: string): Promise<VariableStore> {
  return parseVariableStore(await readBounded(path, geometry.size));
}

/**
 * Replaces a machine's variable store atomically, with `ownVariables` only. The machine must be off: a
 * running QEMU keeps the old file open.
 */
export async function writeVariableStore(path: string, store: VariableStore): Promise<void> {
  await writeFileAtomic(path, serializeVariableStore(ownVariables(store)), 0o600);
}

/** Space of deleted variables that is left to the firmware to reclaim, which takes long in emulation. */
const mostGarbage = 0x4000;

/**
 * Prepares a variable store for the start of its machine: completes an interrupted write of the
 * firmware, applies `change`, and removes variables that are not own ones, and what deleted ones left. OVMF
 * completes such a write itself, but does not start at all if the interruption hit the first blocks
 * (observed with edk2 2022.11).
 * @returns the variables before, if the store was written. Throws as `readVariableStore` and
 *   `writeVariableStore` do.
 */
export async function repairVariableStore(
  path: string,
  change: (store: VariableStore) => VariableStore,
): Promise<VariableStore | undefined> {
  const image = await readBounded(path, geometry.size);
  const found = parseVariableStore(image);
  const wanted = serializeVariableStore(ownVariables(change(found)));
  const isReady =
    finishInterruptedWrite(image) === image &&
    wanted.equals(serializeVariableStore(found)) &&
    usedBytes(image) <= usedBytes(wanted) + mostGarbage;
  if (isReady) return undefined;
  await writeFileAtomic(path, wanted, 0o600);
  return found;
}
