import { open } from 'node:fs/promises';
import { failure, isFailure } from '../base/errors.ts';
import { until } from '../base/until.ts';
import { readIntactStore, saveVariableStore } from '../firmware/saved-store.ts';
import type { VariableStore } from '../firmware/store.ts';
import { changesBetween } from '../firmware/store.ts';
import { readVariableStore, writeVariableStore } from '../firmware/store-file.ts';
import { writeVariables } from '../guest/boot-variables.ts';
import type { Machine } from '../machine/machine.ts';
import type { UpdateContext } from './context.ts';
import { restart } from './restart.ts';

/** How long the firmware may take to write the variables, and how often they are read: milliseconds. */
const written = { within: 10_000, every: 100 };

/**
 * Changes the UEFI variables of a running machine: the guest's firmware writes them, the host checks that it has. They are on
 * the host's disk when the promise resolves. When the guest does not write them, as with a store that root in it has filled, the
 * machine is restarted, and the host writes them while it is off.
 * @throws HoldfastError `update.variables` when another process started the machine meanwhile; those of `restart` and of a
 *   channel that is lost.
 */
export async function changeVariables(
  update: UpdateContext,
  change: (store: VariableStore) => VariableStore,
): Promise<void> {
  const { machine, progress } = update;
  if (await isWritten(update, change)) return settleVariables(machine);
  const { variables } = machine.paths;
  const isStarted = await restart(update, () =>
    progress.step('Writing the boot variables', async () => {
      await writeVariableStore(variables, change((await readIntactStore(variables)).store));
      await saveVariableStore(variables);
    }),
  );
  if (isStarted) return;
  throw failure('update.variables', 'cannot write the boot variables', {
    why: 'the guest did not write them, and another process started the machine before the host could',
    next: 'run the update again; it resumes where it stopped',
  });
}

/** Has the guest write the changed variables. Returns false when it does not: a guest is not trusted to. */
async function isWritten(
  { machine, guest }: UpdateContext,
  change: (store: VariableStore) => VariableStore,
): Promise<boolean> {
  const changes = async () => {
    const store = await readVariableStore(machine.paths.variables);
    return changesBetween(store, change(store));
  };
  try {
    await writeVariables(guest, await changes());
    return (await until(written, async () => (await changes()).length === 0)) === true;
  } catch (error) {
    if (!isFailure(error, 'guest.command', 'guest.timeout', 'firmware.variables')) throw error;
    return false;
  }
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
