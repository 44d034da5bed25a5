import { exists, readBounded } from '../base/files.ts';
import { requireOwnPath } from '../base/own-path.ts';
import { setNoBootMenu, setVerity } from '../firmware/boot.ts';
import { isOwn, printedVariable } from '../firmware/own-variables.ts';
import { restoreVariableStore, saveVariableStore } from '../firmware/saved-store.ts';
import { repairVariableStore } from '../firmware/store-file.ts';
import type { MachineHardware } from '../hypervisor/hypervisor.ts';
import { asReleasedCredential } from '../machine/as-released.ts';
import { keptKeys } from '../machine/data-keys.ts';
import { hardwareIdentity } from '../machine/hardware-identity.ts';
import type { Machine } from '../machine/machine.ts';
import { resetsCredential } from '../machine/requested-resets.ts';
import { releaseGone } from '../release/gone.ts';
import { storedBaseImage } from '../release/store.ts';
import { markStart } from './console-log.ts';
import { machineHardware, machineIdFile } from './hardware.ts';

/**
 * Prepares a machine that is off for its next start. Its boot entries are derived from its configuration each
 * time, and foreign UEFI variables removed, so that changes by the guest have no effect.
 * @returns what to start.
 * @throws HoldfastError `file.exposed` when another user could replace the machine's keys, `firmware.variables`, and those of `readConfiguration`.
 */
export async function prepareStart(machine: Machine, log: (line: string) => void): Promise<MachineHardware> {
  const { paths } = machine;
  await requireOwnPath(paths.secrets);
  const configuration = await machine.reload(); // changed by other processes since
  const { verity } = configuration;
  if (await restoreVariableStore(paths.variables))
    log('the UEFI variables were torn, as by a loss of power: restored from the copy');
  const before = await repairVariableStore(paths.variables, (store) =>
    setNoBootMenu(setVerity(store, verity)),
  );
  if (before) {
    const foreign = before.variables.filter((variable) => !isOwn(variable));
    const removed =
      foreign.length === 0 ? '' : `; removed ${foreign.length} that are not the machine's own: `;
    log(
      `UEFI variables written: verity is ${verity}${removed}${foreign.slice(0, 5).map(printedVariable).join(', ')}`,
    );
  }
  await saveVariableStore(paths.variables);
  await markStart(paths.consoleLog);
  const base = storedBaseImage(machine.home, configuration.release);
  if (!(await exists(base))) throw releaseGone(machine.name, configuration.release, base);
  const hardware = machineHardware(paths, configuration, base, {
    ...(configuration.encryption && (await keptKeys(paths.secrets))),
    ...(await asReleasedCredential(paths.secrets)),
    ...(await resetsCredential(paths.secrets)),
  });
  const machineId = await readBounded(machineIdFile(paths.secrets), 64);
  return { ...hardware, identity: hardwareIdentity(machineId.toString('latin1').trim()) };
}
