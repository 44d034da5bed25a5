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
 * Finishes what the firmware was cut off in, before a machine is started. OVMF does so by itself, except when the cut hit
 * the first blocks: then it does not start at all (seen with edk2 2022.11).
 * @returns whether there was anything to mend. Throws as `readVariableStore` does.
 */
export async function mendVariableStore(path: string): Promise<boolean> {
  const image = await readBounded(path, geometry.size);
  const store = parseVariableStore(image);
  const wasCut = finishInterruptedWrite(image) !== image;
  if (wasCut) await writeVariableStore(path, store);
  return wasCut;
}
