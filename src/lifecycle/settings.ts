import { failure } from '../base/errors.ts';
import { checkNoShrink, growDataPartition } from '../disk/growth.ts';
import type { MachineConfiguration } from '../machine/configuration.ts';
import { checkSettings, hostResources, type MachineSettings } from '../machine/limits.ts';
import type { ChangedConfiguration, Machine } from '../machine/machine.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';

/** The settings that can be changed after deployment. */
export interface SettingsChange extends Partial<Pick<MachineSettings, 'cpus' | 'memory' | 'dataSize'>> {
  /** The default source of updates; `null` removes it. */
  readonly repository?: string | null;
}

/**
 * Changes the given settings of a machine that is off; the repository also while it runs. The data partition only grows. The
 * disk is changed first and the configuration last: an interrupted change is completed by repeating it.
 * @throws AggregateError or HoldfastError for values out of range; HoldfastError `machine.running`, `disk.shrink`, and those of
 *   `Machine.update`.
 */
export function changeSettings(machine: Machine, change: SettingsChange): Promise<ChangedConfiguration> {
  return machine.update('set', async (before) => {
    const after = withChange(before, change);
    const isSameHardware = hasSameHardware(before, after);
    if (isSameHardware && before.repository === after.repository) return before;
    const { repository: _, ...hardware } = change;
    checkSettings(hardware, hostResources());
    checkNoShrink(before.dataSize, after.dataSize);
    const power = await powerState(machine);
    if (!isSameHardware && !isOff(power)) {
      throw failure('machine.running', `the machine '${machine.name}' is ${power.state}`, {
        why: 'CPUs, memory and data size can only be changed while it is off',
        next: 'run `holdfast stop` first',
      });
    }
    if (after.dataSize !== before.dataSize) {
      const { logSize, dataSize } = after;
      await growDataPartition(hostHypervisor(machine.home).images, {
        path: machine.paths.disk,
        logSize,
        dataSize,
      });
    }
    return after;
  });
}

function withChange(before: MachineConfiguration, change: SettingsChange): MachineConfiguration {
  const { repository = before.repository, ...hardware } = change;
  const { repository: _, ...others } = { ...before, ...hardware };
  return { ...others, ...(repository && { repository }) };
}

function hasSameHardware(one: MachineConfiguration, other: MachineConfiguration): boolean {
  return one.cpus === other.cpus && one.memory === other.memory && one.dataSize === other.dataSize;
}
