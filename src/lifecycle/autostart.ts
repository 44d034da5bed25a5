import { withLock } from '../base/lock.ts';
import { readConfiguration } from '../machine/configuration.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
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
 * Makes a machine come up with the host, or not. One that runs goes on: its supervisor leaves, and the next one is
 * systemd's, or no longer systemd's. It leaves before the unit changes, because systemd ends the processes of a unit that
 * it has forgotten.
 * @returns false when it was so already.
 * @throws HoldfastError `machine.none`, `lock.held`, and those of `enableAutostart`.
 */
export async function switchAutostart(
  layout: HomeLayout,
  name: MachineName,
  on: boolean,
  manager: ServiceManager = hostServiceManager(),
): Promise<boolean> {
  await readConfiguration(layout, name);
  const files = machineLayout(layout, name);
  const change = () => (on ? enableAutostart : disableAutostart)(layout, name, manager);
  return withLock(files.lock, 'autostart', async () => {
    const runs = !isOff(await powerState(layout, name));
    if (!runs || (await isAutostarted(layout, name, manager)) === on) return change();
    await askLeave(files.supervisorSocket);
    await supervisorEnded(layout, name);
    try {
      return await change();
    } finally {
      await launchSupervisor(layout, name, 'adopt', manager);
    }
  });
}
