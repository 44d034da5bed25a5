import { exists, readBounded, writeFileAtomic } from '../base/files.ts';
import { readBootState } from './boot.ts';
import { geometry } from './geometry.ts';
import { ownVariables } from './own-variables.ts';
import { parseVariableStore, serializeVariableStore, type VariableStore } from './store.ts';
import { readVariableStore, writeVariableStore } from './store-file.ts';

/*
 * QEMU writes the store when the firmware does, without flushing. A power failure of the host can
 * therefore leave a mix of old and new pages. So a copy is saved of a store that was complete and
 * on disk. Every slot that the copy names can still be started: the copy is made before a slot that
 * it no longer names is overwritten.
 */

/** Returns the path of the saved copy of a machine's variable store. */
export function savedPath(path: string): string {
  return `${path}.kept`;
}

/**
 * A machine's variables, and whether they are the saved copy instead of what its firmware wrote.
 */
export interface IntactStore {
  readonly store: VariableStore;
  readonly isSaved: boolean;
}

/**
 * Parses a variable store, or its saved copy when the store is torn.
 * @throws HoldfastError `firmware.variables` when there is no copy, or it is damaged too.
 */
export function intactStore(image: Buffer, saved: Buffer | undefined): IntactStore {
  try {
    const store = parseVariableStore(image);
    // a store without a boot order is torn: no complete store lacks one
    if (saved === undefined || readBootState(store).order.length > 0) return { store, isSaved: false };
  } catch (error) {
    if (saved === undefined) throw error;
  }
  return { store: parseVariableStore(saved), isSaved: true };
}

/**
 * Saves a copy of a machine's own variables, for use when the store is torn. Throws as
 * `readVariableStore` does.
 */
export async function saveVariableStore(path: string): Promise<void> {
  const image = serializeVariableStore(ownVariables(await readVariableStore(path)));
  if ((await readSaved(path))?.equals(image)) return;
  await writeFileAtomic(savedPath(path), image, 0o600);
}

/**
 * Reads a machine's variables, from the saved copy when the store is torn. Throws as `intactStore`
 * and `readVariableStore` do.
 */
export async function readIntactStore(path: string): Promise<IntactStore> {
  return intactStore(await readBounded(path, geometry.size), await readSaved(path));
}

/**
 * Replaces a torn store with its saved copy.
 * @returns whether it was torn. Throws as `readIntactStore` does.
 */
export async function restoreVariableStore(path: string): Promise<boolean> {
  const { store, isSaved } = await readIntactStore(path);
  if (isSaved) await writeVariableStore(path, store);
  return isSaved;
}

async function readSaved(path: string): Promise<Buffer | undefined> {
  const saved = savedPath(path);
  return (await exists(saved)) ? readBounded(saved, geometry.size) : undefined;
}
