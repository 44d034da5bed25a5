import { readBounded, writeFileAtomic } from '../base/files.ts';
import { finishInterruptedWrite } from './fault-tolerant-write.ts';
import { geometry } from './geometry.ts';
import { parseVariableStore, serializeVariableStore, type VariableStore } from './store.ts';

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
 * Replaces a machine's variable store atomically. The machine must be off: a running QEMU keeps the
 * old file open.
 */
export async function writeVariableStore(path: string, store: VariableStore): Promise<void> {
  await writeFileAtomic(path, serializeVariableStore(store), 0o600);
}

/**
 * Prepares a variable store for the start of its machine: completes an interrupted write of the
 * firmware and applies `change`. OVMF completes such a write itself, but does not start at all if
 * the interruption hit the first blocks (observed with edk2 2022.11).
 * @returns whether the store was changed. Throws as `readVariableStore` and `writeVariableStore`
 *   do.
 */
export async function repairVariableStore(
  path: string,
  change: (store: VariableStore) => VariableStore,
): Promise<boolean> {
  const image = await readBounded(path, geometry.size);
  const found = parseVariableStore(image);
  const wanted = change(found);
  const isReady =
    finishInterruptedWrite(image) === image &&
    serializeVariableStore(wanted).equals(serializeVariableStore(found));
  if (!isReady) await writeVariableStore(path, wanted);
  return !isReady;
}
