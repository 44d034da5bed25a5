import type { MachineConfiguration } from '../machine/configuration.ts';
import type { Machine } from '../machine/machine.ts';

/** The options of a machine that take effect at its next start. */
export type NextStart = Pick<MachineConfiguration, 'verity'> | Pick<MachineConfiguration, 'ipe'>;

/**
 * Sets options that take effect at the next start of a machine, which may be running. The supervisor applies
 * the configuration between two starts, because QEMU has the variable store open until then and because the
 * guest must not influence it.
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
