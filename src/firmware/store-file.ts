import { exists, readBounded, writeFileAtomic } from '../base/files.ts';
import { readBootState } from './boot.ts';
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

/*
 * QEMU writes the store as the firmware does, without flushing: when the host loses its power, some pages of the file may be
 * old and some new. So a copy is kept of what was whole and on the disk. Whatever it says may be started again: it is made
 * before a slot that it no longer names is written.
 */

function keptPath(path: string): string {
  return `${path}.kept`;
}

/** Keeps a copy of a machine's variables for when the store is torn. Throws as `readVariableStore` does. */
export async function keepVariableStore(path: string): Promise<void> {
  const image = serialiseVariableStore(await readVariableStore(path));
  const kept = keptPath(path);
  if ((await exists(kept)) && (await readBounded(kept, geometry.size)).equals(image)) return;
  await writeFileAtomic(kept, image, 0o600);
}

/**
 * Reads a machine's variable store or, when that is torn, the copy that was kept.
 * @throws as `readVariableStore`, when there is no such copy.
 */
export async function readSoundStore(
  path: string,
): Promise<{ readonly store: VariableStore; readonly isKept: boolean }> {
  try {
    const store = await readVariableStore(path);
    // one without an order of boot was never written by anybody
    if (readBootState(store).order.length > 0 || !(await exists(keptPath(path))))
      return { store, isKept: false };
  } catch (error) {
    if (!(await exists(keptPath(path)))) throw error;
  }
  return { store: await readVariableStore(keptPath(path)), isKept: true };
}

/** Puts the copy that was kept in the place of a torn store. @returns whether it was torn. Throws as `readSoundStore` does. */
export async function restoreVariableStore(path: string): Promise<boolean> {
  const { store, isKept } = await readSoundStore(path);
  if (isKept) await writeVariableStore(path, store);
  return isKept;
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
