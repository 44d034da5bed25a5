import { describe, HoldfastError } from '../base/errors.ts';
import type { Bytes } from '../base/size.ts';
import { runToEnd } from '../channel/run.ts';
import type { Slot, Verity } from '../disk/layout.ts';
import { type FirmwareBootState, readBootState } from '../firmware/boot.ts';
import { readSoundStore } from '../firmware/saved-store.ts';
import { type Phase, phaseOf } from '../firmware/slots.ts';
import { askGuest, type GuestReport } from '../guest/report.ts';
import type { Transport } from '../hypervisor/hypervisor.ts';
import { readConfiguration } from '../machine/configuration.ts';
import { unshownRecoveryKey } from '../machine/data-keys.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { storedManifest } from '../release/store.ts';
import { powerState } from '../supervisor/power.ts';
import { startThrough } from '../supervisor/protocol/client.ts';
import type { MachineState } from '../supervisor/state.ts';
import { hostServiceManager, isAutostarted } from '../supervisor/systemd/autostart.ts';

/** How long a guest may take to answer: milliseconds. */
const guestLimit = 20_000;

/** All that can be known of a machine at this moment. */
export interface MachineStatus {
  readonly name: MachineName;
  readonly state: MachineState;
  /** Version of the release that runs, or when the machine is off, that it was deployed from. */
  readonly release: string | undefined;
  /** The slot that runs, or when the machine is off, that the firmware will boot. */
  readonly slot: Slot | undefined;
  /** Where an update stands; undefined when the variables cannot be read. */
  readonly phase: Phase | undefined;
  /** Whether the chain from the firmware to the root holds, as the guest says; unknown while it does not answer. */
  readonly verifiedBoot: boolean | undefined;
  readonly cpus: number;
  readonly memory: Bytes;
  readonly dataSize: Bytes;
  /** Whether Data and Log are; and then, whether the user was shown the recovery key. */
  readonly dataEncrypted: boolean;
  readonly recoveryKeyShown: boolean;
  readonly transport: Transport;
  /** Whether the next start verifies the root; what runs is in `guest`. */
  readonly verity: Verity;
  readonly autostart: boolean;
  /** Of the hypervisor's process. */
  readonly pid: number | undefined;
  readonly accelerator: string | undefined;
  readonly guest: GuestReport | undefined;
  /** Why the guest says nothing about itself, although it runs. */
  readonly guestProblem: string | undefined;
  /** What firmware, kernel or initrd said that is wrong, or why the machine was given up. The guest's own words. */
  readonly problem: string | undefined;
}

/**
 * Finds out how a machine is. Nothing of it is stored: it is read off the processes, the variable store, the release and
 * the guest.
 * @throws HoldfastError those of `powerState`.
 */
export async function machineStatus(layout: HomeLayout, name: MachineName): Promise<MachineStatus> {
  const files = machineLayout(layout, name);
  const power = await powerState(layout, name);
  const configuration = await readConfiguration(layout, name);
  const [guest, manifest, boot, autostart, unshown] = await Promise.all([
    reportOf(power.state, files.supervisorSocket),
    storedManifest(layout, configuration.release),
    readBoot(files.variables),
    isAutostarted(layout, name, hostServiceManager()),
    unshownRecoveryKey(files.secrets),
  ]);
  const { cpus, memory, dataSize, transport, verity } = configuration;
  return {
    name,
    state: power.state,
    release: guest.report?.release ?? manifest?.version,
    slot: guest.report?.slot ?? boot.state?.order[0],
    phase: boot.state && phaseOf({ ...boot.state, running: guest.report?.slot }),
    verifiedBoot: guest.report && isVerified(guest.report),
    ...{ cpus, memory, dataSize, transport, verity, autostart },
    dataEncrypted: configuration.encryption !== undefined,
    recoveryKeyShown: configuration.encryption !== undefined && unshown === undefined,
    pid: power.pid,
    accelerator: power.accelerator,
    guest: guest.report,
    guestProblem: guest.problem ?? power.channelProblem,
    problem: power.problem ?? boot.problem,
  };
}

/** What the firmware boots. A store that cannot be read is what is wrong with the machine, not with the question. */
async function readBoot(path: string): Promise<{ state?: FirmwareBootState; problem?: string }> {
  try {
    return { state: readBootState((await readSoundStore(path)).store) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { problem: describe(error) };
  }
}

function isVerified({ secureBoot, lockdown, verity }: GuestReport): boolean {
  return secureBoot && lockdown !== 'none' && verity === 'verified';
}

async function reportOf(
  state: MachineState,
  socket: string,
): Promise<{ report?: GuestReport; problem?: string }> {
  if (state !== 'running') return {};
  const start = startThrough(socket);
  try {
    return { report: await askGuest({ run: (argv, options) => runToEnd(start, argv, options) }, guestLimit) };
  } catch (error) {
    return { problem: describe(error) };
  }
}
