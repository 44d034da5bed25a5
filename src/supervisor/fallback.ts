import { readBootState, setBootNext } from '../firmware/boot.ts';
import { readVariableStore, writeVariableStore } from '../firmware/store-file.ts';

/**
 * Makes the next start of a machine that is off a single start of the slot after the committed one. The firmware does not do that
 * itself while it can load the committed slot, which stays committed.
 * @returns false when the boot order has no second slot.
 * @throws HoldfastError `firmware.variables`.
 */
export async function fallBack(variables: string, log: (line: string) => void): Promise<boolean> {
  const store = await readVariableStore(variables);
  const [committed, other] = readBootState(store).order;
  if (other === undefined) return false;
  log(`slot ${committed} does not come up: ${other} is started in its place`);
  await writeVariableStore(variables, setBootNext(store, other));
  return true;
}
