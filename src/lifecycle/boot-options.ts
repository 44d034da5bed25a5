import { withLock } from '../base/lock.ts';
import {
  type MachineConfiguration,
  readConfiguration,
  writeConfiguration,
} from '../machine/configuration.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';

/** What a machine does from its next start on. */
export type NextStart = Pick<MachineConfiguration, 'verity'> | Pick<MachineConfiguration, 'ipe'>;

/**
 * Chooses what a machine does from its next start on. It may run: the supervisor heeds the configuration between two starts,
 * because the hypervisor has the variable store open until then, and because what runs in the guest has no say in this.
 * @returns false when it was so already.
 * @throws HoldfastError `machine.none`, `lock.held`.
 */
export async function chooseNextStart(
  layout: HomeLayout,
  name: MachineName,
  choice: NextStart,
): Promise<boolean> {
  const files = machineLayout(layout, name);
  await readConfiguration(layout, name);
  return withLock(files.lock, Object.keys(choice).join(), async () => {
    const before = await readConfiguration(layout, name);
    const after = { ...before, ...choice };
    if (before.verity === after.verity && before.ipe === after.ipe) return false;
    await writeConfiguration(files.configuration, after);
    return true;
  });
}
