import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type * as z from 'zod';
import { unlessAborted } from '../../base/abort.ts';
import { failure, isFailure, misuse } from '../../base/errors.ts';
import { exists } from '../../base/files.ts';
import { until } from '../../base/until.ts';
import { bounds } from '../../channel/bounds.ts';
import { journalCommand } from '../../guest/journal.ts';
import { archiveLogs } from '../../lifecycle/log-archive.ts';
import { readConsole } from '../../supervisor/console-log.ts';
import { readCrash } from '../../supervisor/crash-note.ts';
import { guestOf } from '../../supervisor/guest.ts';
import { powerState } from '../../supervisor/power.ts';
import type { MachineState } from '../../supervisor/state.ts';
import { isOff } from '../../supervisor/state.ts';
import { type Context, defineCommand } from '../framework/command.ts';
import { anyText, setting, toggle } from '../framework/parameters.ts';
import type { logsOutput } from '../output/guest.ts';
import { jsonLines, visibleText } from '../terminal/guest-text.ts';

type LogsContext = Context<z.input<typeof logsOutput>>;

export const logsCommand = defineCommand({
  description:
    'Prints the journal of a running guest. For a guest that does not come up, prints the end of its console instead.',
  arguments: {},
  flags: {
    follow: toggle('Wait for new entries, also through restarts'),
    archive: setting(
      'FILE',
      'Write host, machine, supervisor and guest logs, without secrets, to a tar.gz',
      anyText,
    ),
  },
  examples: [
    ['holdfast logs', "Print the guest's journal, or the console of a guest that does not come up"],
    ['holdfast logs --follow', 'Print the journal and wait for new entries'],
    [
      'holdfast logs --archive logs.tar.gz',
      'Collect everything for a bug report, even if the machine is off or hangs',
    ],
  ],
  output: async () => (await import('../output/guest.ts')).logsOutput,
  async run({ flags, ...context }) {
    if (flags.archive !== undefined && flags.follow) {
      throw misuse('usage.conflict', '--archive and --follow are mutually exclusive', {
        next: 'give one of them',
      });
    }
    if (flags.archive === undefined) await showJournal(context, flags.follow);
    else await writeArchiveTo(resolve(flags.archive), context);
  },
});

async function writeArchiveTo(path: string, { machine, progress, signal, output }: LogsContext) {
  // fails when there is no machine; a damaged one is archived too
  if (!(await exists(machine.paths.directory))) await machine.configuration();
  const contents = await archiveLogs(machine, path, progress, signal);
  const lines = contents.map(({ name, outcome }) => `  ${name.padEnd(24)} ${outcome}`);
  output.result({ archive: path, contents }, [`wrote ${path}`, ...lines].join('\n'));
}

/** Prints the console log: the journal of a guest that did not boot cannot be read. */
async function showConsole({ machine, streams, output }: LogsContext, state: MachineState) {
  streams.stderr.write(
    `${machine.name} is ${state} and does not answer; console output since its last start:\n`,
  );
  const lines = (await readConsole(machine.paths.consoleLog)).split('\n').slice(0, -1);
  for (const line of lines.slice(-bounds.consoleShown.count)) output.result({ console: line }, line);
}

async function showJournal(context: LogsContext, follow: boolean): Promise<void> {
  const { machine, json, streams, signal } = context;
  const power = await unlessAborted(powerState(machine), signal);
  if (power.state === 'failed' || (power.state === 'booting' && power.problem !== undefined))
    return showConsole(context, power.state);
  const crash = await readCrash(machine.paths.lastCrash);
  if (crash) streams.stderr.write(`last crash of ${machine.name}: ${crash.time}: ${crash.reason}\n`);
  if (isOff(power)) {
    throw failure('machine.off', `cannot read the journal of '${machine.name}'`, {
      why: `the machine is ${power.state}, and its journal is on its own disk`,
      next: 'run `holdfast start`, or collect the logs on the host with `holdfast logs --archive FILE`',
    });
  }
  if (follow) return followJournal(context);
  context.exitWith(await printJournal(context, journalCommand(json ? 'json' : 'text', false), () => {}));
}

/** Follows the journal until interrupted, also through restarts of the machine, from where it was lost. */
async function followJournal(context: LogsContext): Promise<void> {
  const { machine, json, streams, signal } = context;
  let since: Date | undefined;
  for (;;) {
    const command = journalCommand(json ? 'json' : 'text', true, since);
    const began = performance.now();
    const code = await printJournal(context, command, () => {
      since = new Date();
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      if (isFailure(error, ...interruptions)) return undefined;
      throw error;
    });
    signal.throwIfAborted();
    // it ends by itself only when it cannot read the journal
    if (code !== undefined && performance.now() - began < 1000) return context.exitWith(code || 1);
    streams.stderr.write(`${machine.name} does not send its journal: waiting until it runs\n`);
    await until({ within: Number.POSITIVE_INFINITY, every: 1000, signal }, async () => {
      await machine.reload(); // it may have been removed
      return (await unlessAborted(powerState(machine), signal)).state === 'running';
    });
  }
}

/** Errors of a command that a restart of the machine ends, or that comes too early in it. */
const interruptions = [
  'channel.lost',
  'channel.start',
  'machine.not-ready',
  'machine.off',
  'supervisor.absent',
  'supervisor.lost',
] as const;

/** Prints the output of a command until it ends. @returns its exit code. */
async function printJournal(
  { machine, json, streams, signal }: LogsContext,
  argv: readonly string[],
  onOutput: () => void,
): Promise<number> {
  const command = await unlessAborted(guestOf(machine).start(argv), signal);
  const hangUp = () => command.hangUp();
  signal.addEventListener('abort', hangUp);
  command.stdout.on('data', onOutput);
  try {
    command.stdin.on('error', () => {}).end();
    await Promise.all([
      pipeline(command.stdout, json ? jsonLines() : visibleText(), streams.stdout, { end: false }),
      pipeline(command.stderr, visibleText(), streams.stderr, { end: false }),
    ]);
    const end = await command.ended;
    return 'code' in end ? end.code : 1;
  } finally {
    command.hangUp();
    signal.removeEventListener('abort', hangUp);
  }
}
