import { isRunning, type ProcessEntry, readSignalState, type SignalState } from '../../base/process-table.ts';
import { readMissingProtections } from '../../sandbox/protection.ts';
import type { MachineProgram } from '../hypervisor.ts';

/** How often the processes are looked at, in milliseconds. */
const interval = 1000;

/** A program of a machine, and its process as it was found; undefined: it has ended already. */
export interface FoundProgram {
  readonly program: string;
  readonly entry: ProcessEntry | undefined;
}

/** Watches the programs of a machine. None of QEMU's helpers can be replaced while it runs. */
export class MachinePrograms {
  readonly #qemu: ProcessEntry;
  readonly #helpers: readonly FoundProgram[];
  readonly #lost = Promise.withResolvers<string>();
  readonly #askedToEnd = Promise.withResolvers<void>();
  #programs: readonly MachineProgram[];
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    qemu: ProcessEntry,
    helpers: readonly FoundProgram[],
    programs: readonly MachineProgram[],
  ) {
    this.#qemu = qemu;
    this.#helpers = helpers;
    this.#programs = programs;
  }

  /** @param helpers those that QEMU's argv requires. */
  static async watch(qemu: ProcessEntry, helpers: readonly FoundProgram[]): Promise<MachinePrograms> {
    const all = [{ program: 'QEMU', entry: qemu }, ...helpers];
    const watched = new MachinePrograms(qemu, helpers, await Promise.all(all.map(describeProgram)));
    watched.#timer = setInterval(() => void watched.#look().catch(() => {}), interval);
    watched.#timer.unref();
    return watched;
  }

  get programs(): readonly MachineProgram[] {
    return this.#programs;
  }

  /** Resolves with the name of the first helper that has ended. */
  get lost(): Promise<string> {
    return this.#lost.promise;
  }

  /** Resolves when QEMU, which blocks it, was sent a signal to end. */
  get askedToEnd(): Promise<void> {
    return this.#askedToEnd.promise;
  }

  /** Reports a helper that runs, but does not work any more. */
  lose(program: string): void {
    this.#lost.resolve(program);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const signals = await readSignalState(this.#qemu);
    if (signals.isAskedToEnd) this.#askedToEnd.resolve();
    const ended = this.#programs.find(({ pid }) => pid === undefined);
    // helpers end with QEMU: only one that had ended by the last look, and whose QEMU still runs, is lost
    if (ended && (await isRunning(this.#qemu))) this.#lost.resolve(ended.program);
    const [qemu, ...helpers] = this.#programs;
    const now = await Promise.all(
      helpers.map(async (known, index) => {
        const entry = this.#helpers[index]?.entry;
        return entry && known.pid !== undefined && (await isRunning(entry))
          ? { ...known, isStopped: stopped(await readSignalState(entry)) }
          : { ...known, pid: undefined, isStopped: undefined };
      }),
    );
    if (qemu) this.#programs = [{ ...qemu, isStopped: stopped(signals) }, ...now];
  }
}

function stopped({ isStopped }: SignalState): true | undefined {
  return isStopped || undefined;
}

async function describeProgram({ program, entry }: FoundProgram): Promise<MachineProgram> {
  if (!entry || !(await isRunning(entry))) return { program, pid: undefined, missing: [] };
  try {
    return { program, pid: entry.pid, missing: await readMissingProtections(entry.pid) };
  } catch {
    return { program, pid: undefined, missing: [] }; // ended meanwhile
  }
}
