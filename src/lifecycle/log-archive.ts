import { type ArchiveEntry, type ArchiveOutcome, writeArchive } from '../base/archive.ts';
import { failure } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import { bounds } from '../channel/bounds.ts';
import { journalCommand } from '../guest/journal.ts';
import { hostChecks } from '../host/checks.ts';
import { describeHost } from '../host/description.ts';
import { examineHost } from '../host/doctor.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Machine } from '../machine/machine.ts';
import type { MachinePaths } from '../machine/paths.ts';
import { guestOf } from '../supervisor/guest.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { previousLog } from '../supervisor/log-file.ts';
import { powerState } from '../supervisor/power.ts';
import { machineStatus } from './status.ts';

/**
 * Collects the logs and the state of a machine into one archive, even when it is off, hangs, or its configuration is damaged.
 * Only what is listed here goes in: no keys, no credentials.
 */
export function archiveLogs(
  machine: Machine,
  target: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly ArchiveOutcome[]> {
  const { home, name, paths } = machine;
  const entries: readonly ArchiveEntry[] = [
    { name: 'host.json', make: async () => json(await describeHost(home)) },
    { name: 'doctor.json', make: async () => json(await examineHost(hostChecks(home))) },
    { name: 'status.json', make: async () => json(await machineStatus(machine)) },
    { name: 'machine.json', copy: paths.configuration },
    ...archivedLogs(paths, hostHypervisor(home)).map((path) => ({
      name: path.slice(paths.directory.length + 1).replace('/', '-'),
      copy: path,
      maximum: bounds.logArchive.bytes,
    })),
    { name: 'journal.txt', make: () => readJournal(machine) },
  ];
  return writeArchive(target, `holdfast-${name}`, entries, progress, signal);
}

/** Does not wait for a guest that does not answer: the rest of the archive matters more. */
async function readJournal(machine: Machine): Promise<Uint8Array> {
  const { state } = await powerState(machine);
  if (state !== 'running') throw failure('machine.not-ready', `the machine is ${state}`);
  const { bytes, time } = bounds.journalArchive;
  const options = { timeoutMs: time, maximum: bytes, endOnly: true };
  return (await guestOf(machine).run(journalCommand('text', false), options)).stdout;
}

/** Returns the log files of a machine that the archive contains. */
export function archivedLogs(
  paths: MachinePaths,
  hypervisor: Pick<Hypervisor, 'logFiles'>,
): readonly string[] {
  const own = [paths.supervisorLog, paths.consoleLog].flatMap((path) => [path, previousLog(path)]);
  return [...own, ...hypervisor.logFiles(paths.run)];
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
