import { failure, misuse } from '../base/errors.ts';
import { withLock } from '../base/lock.ts';
import { formatSize } from '../base/size.ts';
import { growDataPartition } from '../disk/growth.ts';
import {
  type MachineConfiguration,
  readConfiguration,
  writeConfiguration,
} from '../machine/configuration.ts';
import { checkSettings, hostResources, type MachineSettings } from '../machine/limits.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';

/** What can be changed after deployment. */
export interface SettingsChange extends Partial<Pick<MachineSettings, 'cpus' | 'memory' | 'dataSize'>> {
  /** Where updates come from, also while the machine runs; `null` forgets it. */
  readonly repository?: string | null;
}

/**
 * Changes what is named, and nothing else, of a machine that is off; its repository also of one that runs.
 * Data grows and never shrinks. The disk comes first
 * and the configuration last, and both only move towards what is asked: a change that was cut off is completed by asking
 * for it again.
 * @returns the configuration, and whether it differs from before.
 * @throws AggregateError or HoldfastError for values out of range; HoldfastError `machine.running`, `disk.shrink`,
 *   `lock.held`.
 */
export async function changeSettings(
  layout: HomeLayout,
  name: MachineName,
  change: SettingsChange,
): Promise<{ configuration: MachineConfiguration; changed: boolean }> {
  await readConfiguration(layout, name);
  const files = machineLayout(layout, name);
  return withLock(files.lock, 'set', async () => {
    const before = await readConfiguration(layout, name);
    const { repository = before.repository, ...hardware } = change;
    const { repository: _, ...rest } = { ...before, ...hardware };
    const configuration = { ...rest, ...(repository && { repository }) };
    const isSameHardware = isSame(before, configuration);
    if (isSameHardware && before.repository === configuration.repository)
      return { configuration, changed: false };
    checkSettings(hardware, hostResources());
    if (configuration.dataSize < before.dataSize) {
      throw misuse('disk.shrink', 'the data partition cannot become smaller', {
        why: `it has ${formatSize(before.dataSize)}, and what is stored in it would be lost`,
        next: 'ask for more, or deploy another machine and move the data',
      });
    }
    const power = await powerState(layout, name);
    if (!isSameHardware && !isOff(power)) {
      throw failure('machine.running', `the machine '${name}' is ${power.state}`, {
        why: 'CPUs, memory and data size change while it is off',
        next: 'run `holdfast stop` first',
      });
    }
    if (configuration.dataSize !== before.dataSize) {
      const { logSize, dataSize } = configuration;
      await growDataPartition(hostHypervisor(layout).images, { path: files.disk, logSize, dataSize });
    }
    await writeConfiguration(files.configuration, configuration);
    return { configuration, changed: true };
  });
}

function isSame(one: MachineConfiguration, other: MachineConfiguration): boolean {
  return one.cpus === other.cpus && one.memory === other.memory && one.dataSize === other.dataSize;
}
