import { rm } from 'node:fs/promises';
import { failure } from '../../base/errors.ts';
import { exists, makePrivateDirectory } from '../../base/files.ts';
import { debug } from '../../base/log.ts';
import { withSocket } from '../../base/private-socket.ts';
import { findProcesses, killProcess, type ProcessEntry } from '../../base/process-table.ts';
import { formatSize } from '../../base/size.ts';
import type { Distribution } from '../../distribution/distribution.ts';
import { chooseConfinement } from '../../sandbox/confinement.ts';
import { ownerOf } from '../../sandbox/machine-user.ts';
import { isSwtpmOf } from '../../tpm/virtual/swtpm.ts';
import type { Hypervisor, MachineHardware, RunningMachine } from '../hypervisor.ts';
import { chooseAccelerator } from './accelerator.ts';
import { type Accelerator, isQemuOf, qemuArguments } from './arguments.ts';
import { qemuChecks } from './checks.ts';
import { acceleratorGroups, prepareFiles } from './confined-programs.ts';
import { writeOemStrings } from './credentials.ts';
import { qcow2Images } from './disk-image.ts';
import { GuestEvents } from './guest-events.ts';
import { freePort, type ProgramPlace, startQemu, startSwtpm, startVsockDaemon } from './launch.ts';
import { qemuPackages } from './packages.ts';
import { platform } from './platforms.ts';
import { connectQmp } from './qmp.ts';
import { earlierRunFiles, type RunFiles, removeSockets, runFiles, runLogFiles } from './run-directory.ts';
import { runningMachine } from './running-machine.ts';
import { fetchVsockDaemon, isVsockDaemonOf } from './vsock-daemon.ts';

export interface QemuOptions {
  /** Directory for fetched programs. */
  readonly tools: string;
  /** File that caches which accelerator works. */
  readonly acceleratorMemory: string;
  /** The host's distribution: missing programs are fetched from it. */
  readonly distribution: Distribution;
  /** Mirror to fetch from. Default: the host's. */
  readonly mirror?: string;
}

/**
 * Returns QEMU as a hypervisor. Running machines are found in the process table, never in a file: the argv of a process names
 * the machine's sockets.
 */
export function qemuHypervisor(options: QemuOptions): Hypervisor {
  return {
    name: 'qemu',
    packages: qemuPackages,
    checks: qemuChecks(options.tools, options.distribution),
    variablesTemplate: platform.variablesTemplate,
    images: qcow2Images,
    logFiles: runLogFiles,

    async start(hardware) {
      const files = runFiles(hardware.run);
      const left = await findMachine(hardware.run);
      if (left.qemu) {
        throw failure('hypervisor.running', `the machine '${hardware.name}' is already running`, {
          why: `its QEMU is process ${left.qemu.pid}`,
        });
      }
      await checkHost(hardware);
      await clear(left);
      const { accelerator } = await chooseAccelerator(options.acceleratorMemory);
      const daemon =
        hardware.transport === 'vsock'
          ? await fetchVsockDaemon(options.tools, options.distribution.host, options.mirror)
          : undefined;
      const chosen = await chooseConfinement(hardware.disk);
      if (chosen.obstacle) debug('qemu', `confinement incomplete: ${chosen.obstacle.reason}`);
      const confinement = { ...chosen.confinement, groups: await acceleratorGroups(accelerator) };
      await makePrivateDirectory(hardware.run);
      try {
        return await startPrograms({ hardware, files, confinement }, accelerator, daemon);
      } finally {
        await rm(files.credentials, { recursive: true, force: true });
      }
    },

    async adopt({ run, consoleLog }) {
      const { qemu, vsock, tpm, files } = await findMachine(run);
      // a killed supervisor may have left them; a QEMU that accepts commands has read them
      await rm(files.credentials, { recursive: true, force: true });
      if (!qemu) {
        await clear({ vsock, tpm, files });
        return undefined;
      }
      const events = new GuestEvents();
      const { onEvent } = events;
      const qmp = await withSocket(files.qmp, (path) => connectQmp(path, { onEvent }));
      return runningMachine({ qemu, vsock, tpm, qmp, events, files, consoleLog, isNew: false });
    },
  };
}

/** Starts the programs of a machine, QEMU last. @param daemon the path of vhost-device-vsock; undefined: transport TCP. */
async function startPrograms(
  place: ProgramPlace,
  accelerator: Accelerator,
  daemon: string | undefined,
): Promise<RunningMachine> {
  const { hardware, files, confinement } = place;
  const { consoleLog } = hardware;
  let vsock: ProcessEntry | undefined;
  let tpm: ProcessEntry | undefined;
  try {
    const oemStrings = await writeOemStrings(hardware.credentials, files.credentials);
    await prepareFiles(hardware, files, confinement);
    const ports = daemon === undefined ? { management: await freePort(), user: await freePort() } : undefined;
    vsock = daemon === undefined ? undefined : await startVsockDaemon(daemon, place);
    tpm = hardware.tpm && (await startSwtpm(hardware.tpm, place));
    const launch = { hardware, accelerator, firmware: platform.firmware, files, oemStrings, ports };
    const events = new GuestEvents();
    const { entry, qmp } = await startQemu(qemuArguments(launch), place, events.onEvent);
    return await runningMachine({ qemu: entry, vsock, tpm, qmp, events, files, consoleLog, isNew: true });
  } catch (error) {
    await clear({ vsock, tpm, files });
    throw error;
  }
}

/** The processes next to QEMU, and their files. */
interface Helpers {
  readonly vsock: ProcessEntry | undefined;
  readonly tpm: ProcessEntry | undefined;
  readonly files: RunFiles;
}

type FoundMachine = Helpers & { readonly qemu: ProcessEntry | undefined };

/** Finds the processes whose argv name the machine's sockets, also those that an earlier version started. */
async function findMachine(run: string): Promise<FoundMachine> {
  const earlier = await findProcessesOf(earlierRunFiles(run));
  return earlier.qemu || earlier.vsock || earlier.tpm ? earlier : findProcessesOf(runFiles(run));
}

async function findProcessesOf(files: RunFiles): Promise<FoundMachine> {
  const isOurs = {
    qemu: (argv: readonly string[]) => isQemuOf(argv, files),
    vsock: (argv: readonly string[]) => isVsockDaemonOf(argv, files.vsockDevice),
    tpm: (argv: readonly string[]) => isSwtpmOf(argv, files.tpm),
  };
  // the directory is made for them: its owner is their user
  const owner = await ownerOf(files.qemuDirectory);
  const users = [...new Set([process.getuid?.() ?? 0, ...(owner === undefined ? [] : [owner])])];
  const found = await findProcesses((argv) => Object.values(isOurs).some((matches) => matches(argv)), users);
  const first = (matches: (argv: readonly string[]) => boolean) => found.find(({ argv }) => matches(argv));
  return { qemu: first(isOurs.qemu), vsock: first(isOurs.vsock), tpm: first(isOurs.tpm), files };
}

/** Removes the remains of a machine whose processes ended unexpectedly. */
async function clear({ vsock, tpm, files }: Helpers): Promise<void> {
  for (const helper of [vsock, tpm]) if (helper) await killProcess(helper);
  await removeSockets(files);
}

async function checkHost(hardware: MachineHardware): Promise<void> {
  if (!(await exists(platform.firmware))) {
    throw failure('hypervisor.firmware-missing', 'the UEFI firmware is not installed', {
      why: `${platform.firmware} does not exist`,
      next: `install the package ${platform.firmwarePackage}; \`holdfast doctor\` shows everything that is missing`,
    });
  }
  // memory is allocated as the guest uses it: without this check the kernel would kill the machine later
  const available = process.availableMemory();
  if (hardware.memory > available) {
    throw failure(
      'hypervisor.memory',
      `cannot start the machine '${hardware.name}': the host does not have enough memory`,
      {
        why: `it needs ${formatSize(hardware.memory)}; ${formatSize(available)} are available`,
        next: 'end other programs, or reduce its memory with `holdfast set --memory`',
      },
    );
  }
}
