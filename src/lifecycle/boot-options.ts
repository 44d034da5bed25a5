import type { MachineConfiguration } from '../machine/configuration.ts';
import type { Machine } from '../machine/machine.ts';

/** What a machine does from its next start on. */
export type NextStart = Pick<MachineConfiguration, 'verity'> | Pick<MachineConfiguration, 'ipe'>;

/**
 * Sets what a machine does from its next start on; it may be running. The supervisor applies the configuration between two
 * starts, because QEMU has the variable store open until then and because the guest must have no say in it.
 * @returns false when nothing changed.
 * @throws HoldfastError those of `Machine.update`.
 */
export async function chooseNextStart(machine: Machine, choice: NextStart): Promise<boolean> {
  const { changed } = await machine.update(Object.keys(choice).join(), (before) => {
    const after = { ...before, ...choice };
    return before.verity === after.verity && before.ipe === after.ipe ? before : after;
  });
  return changed;
}
