import { describe, HoldfastError } from '../base/errors.ts';
import { exists } from '../base/files.ts';
import type { Bytes } from '../base/size.ts';
import type { Slot, Verity } from '../disk/layout.ts';
import { type FirmwareBootState, readBootState } from '../firmware/boot.ts';
import { readIntactStore } from '../firmware/saved-store.ts';
import { type Phase, phaseOf } from '../firmware/slots.ts';
import { askGuest, type GuestReport } from '../guest/report.ts';
import type { MachineProgram, Transport } from '../hypervisor/hypervisor.ts';
import { isAsReleased } from '../machine/as-released.ts';
import { unshownRecoveryKey } from '../machine/data-keys.ts';
import { nameMachine } from '../machine/hints.ts';
import type { Machine } from '../machine/machine.ts';
import type { MachineName } from '../machine/paths.ts';
import { releaseGone } from '../release/gone.ts';
import type { Sha256 } from '../release/manifest.ts';
import { storedBaseImage, storedManifest } from '../release/store.ts';
import { type Crash, readCrash } from '../supervisor/crash-note.ts';
import { guestOf } from '../supervisor/guest.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff, type MachineState } from '../supervisor/state.ts';
import type { SupervisorStatus } from '../supervisor/supervisor.ts';
import { hostServiceManager, isAutostarted } from '../supervisor/systemd/autostart.ts';

/** How long a guest may take to answer: milliseconds. */
const guestLimit = 20_000;

/** The state of a machine at one moment. */
export interface MachineStatus {
  readonly name: MachineName;
  readonly state: MachineState;
  /** Version of the running release; of a machine that is off, of the release that it was deployed from. */
  readonly release: string | undefined;
  /** The active slot; of a machine that is off, the one that the firmware will boot. */
  readonly slot: Slot | undefined;
  /** The phase of an update; undefined when the variables cannot be read. */
  readonly phase: Phase | undefined;
  /** Whether the boot chain from the firmware to the root is verified, as the guest reports; undefined while it does not answer. */
  readonly verifiedBoot: boolean | undefined;
  readonly cpus: number;
  readonly memory: Bytes;
  readonly dataSize: Bytes;
  readonly dataEncrypted: boolean;
  /** Whether the recovery key of encrypted data was shown to the user. */
  readonly recoveryKeyShown: boolean;
  readonly transport: Transport;
  /** Whether the next start verifies the root; `guest` has the current state. */
  readonly verity: Verity;
  readonly autostart: boolean;
  /** Process of the hypervisor. */
  readonly pid: number | undefined;
  readonly accelerator: string | undefined;
  /** The programs of the running machine. */
  readonly programs: readonly MachineProgram[];
  readonly guest: GuestReport | undefined;
  /** Why a running guest did not report. */
  readonly guestProblem: string | undefined;
  /** What firmware, kernel or initrd reported as wrong, or why the machine was given up. Untrusted text of the guest. */
  readonly problem: string | undefined;
  /** The last end of the machine that nobody asked for. */
  readonly lastCrash: Crash | undefined;
  /** The service of the host whose end shuts the machine down: the machine was started in it, and could not leave it. */
  readonly endsWith: string | undefined;
}

/**
 * Returns the status of a machine. None of it is stored: it is derived from the processes, the variable store, the release and
 * the guest.
 * @throws HoldfastError those of `powerState`.
 */
export async function machineStatus(machine: Machine): Promise<MachineStatus> {
  const { home, name, paths } = machine;
  const power = await powerState(machine);
  const configuration = await machine.configuration();
  const [guest, manifest, boot, autostart, unshown] = await Promise.all([
    reportOf(machine, power),
    storedManifest(home, configuration.release),
    readBoot(paths.variables),
    isAutostarted(machine, hostServiceManager()),
    unshownRecoveryKey(paths.secrets),
  ]);
  const { cpus, memory, dataSize, transport, verity } = configuration;
  const withName = (text: string | undefined) => text && nameMachine(text, name);
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
    programs: isOff(power) ? [] : (power.programs ?? []),
    guest: guest.report,
    guestProblem: withName(guest.problem ?? power.channelProblem),
    problem: withName(power.problem ?? boot.problem ?? (await goneProblem(machine, configuration.release))),
    lastCrash: await readCrash(paths.lastCrash),
    endsWith: power.endsWith,
  };
}

/** Returns why the machine cannot be started when its release is gone from the store. */
async function goneProblem({ home, name }: Machine, digest: Sha256): Promise<string | undefined> {
  const path = storedBaseImage(home, digest);
  return (await exists(path)) ? undefined : describe(releaseGone(name, digest, path), { next: true });
}

/** Returns what the firmware boots. An unreadable store is a problem of the machine, not of the command. */
async function readBoot(path: string): Promise<{ state?: FirmwareBootState; problem?: string }> {
  try {
    return { state: readBootState((await readIntactStore(path)).store) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { problem: describe(error) };
  }
}

function isVerified({ secureBoot, lockdown, verity }: GuestReport): boolean {
  return secureBoot && lockdown !== 'none' && verity === 'verified';
}

async function reportOf(
  machine: Machine,
  { state, programs = [] }: SupervisorStatus,
): Promise<{ report?: GuestReport; problem?: string }> {
  if (state !== 'running' || programs.some(({ isStopped }) => isStopped)) return {};
  try {
    const report = await askGuest(guestOf(machine), guestLimit);
    // the guest alone could claim it
    const asReleased = report.asReleased && (await isAsReleased(machine.paths.secrets));
    return { report: { ...report, asReleased } };
  } catch (error) {
    return { problem: describe(error) };
  }
}
