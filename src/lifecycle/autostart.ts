import type { Machine } from '../machine/machine.ts';
import { askLeave } from '../supervisor/client.ts';
import { launchSupervisor } from '../supervisor/launch.ts';
import { powerState, supervisorEnded } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';
import {
  disableAutostart,
  enableAutostart,
  hostServiceManager,
  isAutostarted,
  type ServiceManager,
} from '../supervisor/systemd/autostart.ts';

/**
 * Enables or disables the start of a machine with the host. A running machine keeps running: its supervisor leaves, and the
 * next one is a child of systemd, or no longer one. It leaves before the unit changes, because systemd ends the processes of a
 * unit that it has forgotten.
 * @returns false when nothing changed.
 * @throws HoldfastError those of `Machine.locked` and `enableAutostart`.
 */
export function switchAutostart(
  machine: Machine,
  on: boolean,
  manager: ServiceManager = hostServiceManager(),
): Promise<boolean> {
  const change = () => (on ? enableAutostart : disableAutostart)(machine, manager);
  return machine.locked('autostart', async () => {
    const isRunning = !isOff(await powerState(machine));
    if (!isRunning || (await isAutostarted(machine, manager)) === on) return change();
    await askLeave(machine);
    await supervisorEnded(machine);
    try {
      return await change();
    } finally {
      await launchSupervisor(machine, 'adopt', manager);
    }
  });
}
