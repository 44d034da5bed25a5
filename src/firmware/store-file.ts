import { readBounded, writeFileAtomic } from '../base/files.ts';
import { finishInterruptedWrite } from './fault-tolerant-write.ts';
import { geometry } from './geometry.ts';
import { parseVariableStore, serialiseVariableStore, type VariableStore } from './store.ts';

/**
 * Reads a machine's variable store. While the machine runs, its firmware may be just writing: what is read then can be
 * older by one change.
 * @throws HoldfastError `firmware.variables`, `file.too-large`; Node's own errors when it cannot be read.
 */
export async function readVariableStore(path: string): Promise<VariableStore> {
  return parseVariableStore(await readBounded(path, geometry.size));
}

/** Replaces a machine's variable store, whole or not at all. The machine must be off: QEMU keeps the old file open. */
export async function writeVariableStore(path: string, store: VariableStore): Promise<void> {
  await writeFileAtomic(path, serialiseVariableStore(store), 0o600);
}

/**
 * Makes a variable store ready for a start of its machine: finishes what the firmware was cut off in, and applies
 * `change`. OVMF finishes by itself, except when the cut hit the first blocks: then it does not start at all (seen with edk2
 * 2022.11).
 * @returns whether there was anything to do. Throws as `readVariableStore` and `writeVariableStore` do.
 */
export async function mendVariableStore(
  path: string,
  change: (store: VariableStore) => VariableStore,
): Promise<boolean> {
  const image = await readBounded(path, geometry.size);
  const found = parseVariableStore(image);
  const wanted = change(found);
  const isReady =
    finishInterruptedWrite(image) === image &&
    serialiseVariableStore(wanted).equals(serialiseVariableStore(found));
  if (!isReady) await writeVariableStore(path, wanted);
  return !isReady;
}
