import { readBounded, writeFileAtomic } from '../base/files.ts';
import { geometry } from './geometry.ts';
import { parseVariableStore, serialiseVariableStore, type VariableStore } from './store.ts';

/**
 * Reads a machine's variable store; also while the machine runs, since the firmware's steps are whole at any moment.
 * @throws HoldfastError `firmware.variables`, `file.too-large`; Node's own errors when it cannot be read.
 */
export async function readVariableStore(path: string): Promise<VariableStore> {
  return parseVariableStore(await readBounded(path, geometry.size));
}

/** Replaces a machine's variable store, whole or not at all. The machine must be off: QEMU keeps the old file open. */
export async function writeVariableStore(path: string, store: VariableStore): Promise<void> {
  await writeFileAtomic(path, serialiseVariableStore(store), 0o600);
}
