import { type ArchiveEntry, type ArchiveOutcome, writeArchive } from '../base/archive.ts';
import { failure } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import { runToEnd } from '../channel/run.ts';
import { journalCommand } from '../guest/journal.ts';
import { hostChecks } from '../host/checks.ts';
import { describeHost } from '../host/description.ts';
import { examineHost } from '../host/doctor.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { type HomeLayout, type MachineFiles, type MachineName, machineLayout } from '../machine/paths.ts';
import { hostHypervisor } from '../supervisor/host-hypervisor.ts';
import { previousLog } from '../supervisor/log-file.ts';
import { powerState } from '../supervisor/power.ts';
import { startThrough } from '../supervisor/protocol/client.ts';
import { machineStatus } from './status.ts';

/** How long the guest may take to hand over its journal: milliseconds. */
const journalLimit = 120_000;

/**
 * Collects all that tells how a machine has been into one archive: also when it is off, hangs, or its configuration is
 * damaged. The list is what goes in; keys and credentials are not on it.
 */
export function archiveLogs(
  layout: HomeLayout,
  name: MachineName,
  target: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly ArchiveOutcome[]> {
  const files = machineLayout(layout, name);
  const entries: readonly ArchiveEntry[] = [
    { name: 'host.json', make: async () => json(await describeHost(layout)) },
    { name: 'doctor.json', make: async () => json(await examineHost(hostChecks(layout))) },
    { name: 'status.json', make: async () => json(await machineStatus(layout, name)) },
    { name: 'machine.json', copy: files.configuration },
    ...archivedLogs(files, hostHypervisor(layout)).map((path) => ({
      name: path.slice(files.directory.length + 1).replace('/', '-'),
      copy: path,
    })),
    { name: 'journal.txt', make: () => readJournal(layout, name) },
  ];
  return writeArchive(target, `holdfast-${name}`, entries, progress, signal);
}

/** A guest that does not answer now is not waited for: who archives a machine that hangs wants the rest. */
async function readJournal(layout: HomeLayout, name: MachineName): Promise<Uint8Array> {
  const { state } = await powerState(layout, name);
  if (state !== 'running') throw failure('machine.not-ready', `the machine is ${state}`);
  const start = startThrough(machineLayout(layout, name).supervisorSocket);
  return (await runToEnd(start, journalCommand('text', false), { timeoutMs: journalLimit })).stdout;
}

/** Returns the log files of a machine that the archive contains. */
export function archivedLogs(
  files: MachineFiles,
  hypervisor: Pick<Hypervisor, 'logFiles'>,
): readonly string[] {
  const own = [files.supervisorLog, files.consoleLog].flatMap((path) => [path, previousLog(path)]);
  return [...own, ...hypervisor.logFiles(files.run)];
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
