import { Machine } from '../machine/machine.ts';
import { homeAt, homeDirectory } from '../machine/paths.ts';
import { requireUsableHome } from '../machine/usable-home.ts';
import { commonFlags } from './framework/common-flags.ts';
import { printOn } from './framework/output.ts';
import type { CommandLine } from './program.ts';
import { commands } from './registry.ts';
import { showOn } from './terminal/progress.ts';

/**
 * Runs the command of a command line on the streams of this process.
 * @returns the exit code that the command chose, if it chose one.
 */
export async function runCommandLine(
  { command, given, common }: CommandLine,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { stdin, stdout, stderr } = process;
  const home = homeAt(homeDirectory());
  const json = commonFlags.json.read(common.json);
  const machine = new Machine(home, commonFlags.machine.read(common.machine));
  await requireUsableHome(home.directory);
  let exitCode: number | undefined;
  await command.run(given, {
    machine,
    json,
    home,
    commands,
    progress: showOn(stderr, process.env),
    output: printOn(stdout, json, machine.name),
    streams: { stdin, stdout, stderr },
    signal,
    exitWith: (code) => {
      exitCode = code;
    },
  });
  return exitCode;
}
