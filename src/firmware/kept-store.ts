import { exists, readBounded, writeFileAtomic } from '../base/files.ts';
import { readBootState } from './boot.ts';
import { geometry } from './geometry.ts';
import { parseVariableStore, serialiseVariableStore, type VariableStore } from './store.ts';
import { readVariableStore, writeVariableStore } from './store-file.ts';

/*
 * QEMU writes the store as the firmware does, without flushing: when the host loses its power, some pages of the file may be
 * old and some new. So a copy is kept of what was whole and on the disk. Whatever it says may be started again: it is made
 * before a slot that it no longer names is written.
 */

/** Where the copy of a machine's variable store is kept. */
export function keptPath(path: string): string {
  return `${path}.kept`;
}

/** A machine's variables, and whether those are not what its firmware left, but the copy. */
export interface SoundStore {
  readonly store: VariableStore;
  readonly isKept: boolean;
}

/**
 * What a variable store says or, when it is torn, the copy that was kept.
 * @throws HoldfastError `firmware.variables` when there is no such copy, or that is damaged too.
 */
export function soundStore(image: Buffer, kept: Buffer | undefined): SoundStore {
  try {
    const store = parseVariableStore(image);
    // one without an order of boot was never written by anybody
    if (kept === undefined || readBootState(store).order.length > 0) return { store, isKept: false };
  } catch (error) {
    if (kept === undefined) throw error;
  }
  return { store: parseVariableStore(kept), isKept: true };
}

/** Keeps a copy of a machine's variables for when the store is torn. Throws as `readVariableStore` does. */
export async function keepVariableStore(path: string): Promise<void> {
  const image = serialiseVariableStore(await readVariableStore(path));
  if ((await readKept(path))?.equals(image)) return;
  await writeFileAtomic(keptPath(path), image, 0o600);
}

/** Reads a machine's variables: see `soundStore`. Throws as that and `readVariableStore` do. */
export async function readSoundStore(path: string): Promise<SoundStore> {
  return soundStore(await readBounded(path, geometry.size), await readKept(path));
}

/** Puts the copy that was kept in the place of a torn store. @returns whether it was torn. Throws as `readSoundStore` does. */
export async function restoreVariableStore(path: string): Promise<boolean> {
  const { store, isKept } = await readSoundStore(path);
  if (isKept) await writeVariableStore(path, store);
  return isKept;
}

async function readKept(path: string): Promise<Buffer | undefined> {
  const kept = keptPath(path);
  return (await exists(kept)) ? readBounded(kept, geometry.size) : undefined;
}
