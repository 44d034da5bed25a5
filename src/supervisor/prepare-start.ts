import { setVerity } from '../firmware/boot.ts';
import { restoreVariableStore, saveVariableStore } from '../firmware/saved-store.ts';
import { repairVariableStore } from '../firmware/store-file.ts';
import type { MachineHardware } from '../hypervisor/hypervisor.ts';
import { readConfiguration } from '../machine/configuration.ts';
import { keptKeys } from '../machine/data-keys.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { markStart } from './console-log.ts';
import { machineHardware } from './hardware.ts';

/**
 * Makes a machine that is off ready for its next start. Its boot entries follow from its configuration each time anew:
 * what the guest has made of them since does not count.
 * @param log takes a line.
 * @returns what to start.
 * @throws HoldfastError `firmware.variables`, and those of `readConfiguration`.
 */
export async function prepareStart(
  layout: HomeLayout,
  name: MachineName,
  log: (line: string) => void,
): Promise<MachineHardware> {
  const files = machineLayout(layout, name);
  const configuration = await readConfiguration(layout, name);
  const { verity } = configuration;
  if (await restoreVariableStore(files.variables))
    log('the UEFI variables were torn, as by a loss of power: those that were kept are back');
  if (await repairVariableStore(files.variables, (store) => setVerity(store, verity)))
    log(`UEFI variables written: verity is ${verity}`);
  await saveVariableStore(files.variables);
  await markStart(files.consoleLog);
  return machineHardware(files, configuration, configuration.encryption && (await keptKeys(files.secrets)));
}
