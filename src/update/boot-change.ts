import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { failure } from '../base/errors.ts';
import { saveVariableStore } from '../firmware/saved-store.ts';
import type { VariableStore } from '../firmware/store.ts';
import { changesBetween } from '../firmware/store.ts';
import { readVariableStore } from '../firmware/store-file.ts';
import { writeVariables } from '../guest/boot-variables.ts';
import { machineLayout } from '../machine/paths.ts';
import { guestOf, type Machine } from './observe.ts';

/** How long the firmware may take to write what it took: milliseconds, and how often that is looked at. */
const writtenWithin = 10_000;
const lookEvery = 100;

/**
 * Changes the UEFI variables of a machine that runs: the guest's firmware writes, the host looks whether it has. On the
 * host's disk when it resolves.
 * @throws HoldfastError `update.variables` when they are not written; those of `writeVariables`.
 */
export async function changeVariables(
  machine: Machine,
  change: (store: VariableStore) => VariableStore,
): Promise<void> {
  const { variables } = machineLayout(machine.layout, machine.name);
  const changes = async () => {
    const store = await readVariableStore(variables);
    return changesBetween(store, change(store));
  };
  await writeVariables(guestOf(machine), await changes());
  for (let waited = 0; (await changes()).length > 0; waited += lookEvery) {
    if (waited >= writtenWithin) {
      throw failure('update.variables', 'the firmware did not keep what it was told to boot', {
        why: `${writtenWithin / 1000} seconds later its variables are not as they were written`,
        next: 'run the update again; what was done is not done twice',
      });
    }
    await sleep(lookEvery);
  }
  await settleVariables(machine);
}

/** Has on the host's disk, with a copy, what a running machine's variables say: whoever wrote them last may have been cut off. */
export async function settleVariables({ layout, name }: Machine): Promise<void> {
  const { variables } = machineLayout(layout, name);
  const file = await open(variables, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await saveVariableStore(variables);
}
