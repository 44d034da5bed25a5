import { withLock } from '../base/lock.ts';
import type { Verity } from '../disk/layout.ts';
import { readConfiguration, writeConfiguration } from './configuration.ts';
import { type HomeLayout, type MachineName, machineLayout } from './home.ts';

/**
 * Switches the verification of a machine's root from its next start on. The machine may run: its boot entry is written
 * between two starts, by `prepareStart`, because QEMU has the variable store open until then, and because what runs in the
 * guest has no say in this.
 * @returns false when it was so already.
 * @throws HoldfastError `machine.none`, `lock.held`.
 */
export async function switchVerity(layout: HomeLayout, name: MachineName, verity: Verity): Promise<boolean> {
  const files = machineLayout(layout, name);
  await readConfiguration(layout, name);
  return withLock(files.lock, 'verity', async () => {
    const configuration = await readConfiguration(layout, name);
    if (configuration.verity === verity) return false;
    await writeConfiguration(files.configuration, { ...configuration, verity });
    return true;
  });
}
