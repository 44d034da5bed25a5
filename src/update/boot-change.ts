import { open } from 'node:fs/promises';
import { failure } from '../base/errors.ts';
import { until } from '../base/until.ts';
import { saveVariableStore } from '../firmware/saved-store.ts';
import type { VariableStore } from '../firmware/store.ts';
import { changesBetween } from '../firmware/store.ts';
import { readVariableStore } from '../firmware/store-file.ts';
import { writeVariables } from '../guest/boot-variables.ts';
import type { Machine } from '../machine/machine.ts';
import type { UpdateContext } from './context.ts';

/** How long the firmware may take to write the variables, and how often they are read: milliseconds. */
const written = { within: 10_000, every: 100 };

/**
 * Changes the UEFI variables of a running machine: the guest's firmware writes them, the host checks that it has. They are on
 * the host's disk when the promise resolves.
 * @throws HoldfastError `update.variables` when they are not written; those of `writeVariables`.
 */
export async function changeVariables(
  { machine, guest }: UpdateContext,
  change: (store: VariableStore) => VariableStore,
): Promise<void> {
  const { variables } = machine.paths;
  const changes = async () => {
    const store = await readVariableStore(variables);
    return changesBetween(store, change(store));
  };
  await writeVariables(guest, await changes());
  if (!(await until(written, async () => (await changes()).length === 0))) {
    throw failure('update.variables', 'the firmware did not store the boot variables', {
      why: `they differ ${written.within / 1000} seconds after they were written`,
      next: 'run the update again; it resumes where it stopped',
    });
  }
  await settleVariables(machine);
}

/** Syncs a running machine's variables to the host's disk and copies them: an interrupted command may have left that undone. */
export async function settleVariables(machine: Machine): Promise<void> {
  const { variables } = machine.paths;
  const file = await open(variables, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await saveVariableStore(variables);
}
