import packageJson from '../../package.json' with { type: 'json' };
import type { ExitCode } from '../base/errors.ts';
import type { CommandDefinition, Given } from './framework/command.ts';
import type { CommonGiven } from './framework/common-flags.ts';
import { findCommand } from './framework/find-command.ts';
import { type SortedWords, sortWords } from './framework/flag-words.ts';
import { commandHelp, type HelpJson, helpJson, overviewHelp } from './framework/help.ts';
import { toggle } from './framework/parameters.ts';
import { checkOperands, missingCommand, wrongFlag } from './framework/usage-error.ts';
import { commands, sections } from './registry.ts';

/** A parsed command line: the command, and its arguments and flags. */
export interface CommandLine {
  readonly command: CommandDefinition;
  readonly given: Given;
  readonly common: CommonGiven;
}

/** Help or the version: printed, the exit code returned. */
export interface Information {
  readonly text: string;
  /** With `--json`. */
  readonly json: HelpJson | { readonly version: string };
  readonly exitCode: ExitCode;
}

/**
 * Parses a command line, loading only the command that it names.
 * @param onCommon receives the common flags, also when the rest is wrong.
 * @param width of the terminal, for help.
 * @throws HoldfastError `usage` (exit code 2).
 */
export async function understand(
  words: readonly string[],
  onCommon: (common: CommonGiven) => void,
  width = 80,
): Promise<CommandLine | Information> {
  // all that can be read of an invalid command line
  let common = commonOf(sortWords(words, {}).flags);
  try {
    const { path, entry, rest } = await findCommand(words, commands);
    const name = path.join(' ');
    if (path.length === 0) return withoutCommand(rest, width);
    const command = await entry.load?.();
    const sorted = sortWords(rest, command?.flags ?? {}, command?.passThrough);
    common = commonOf(sorted.flags);
    if (sorted.flags.help || !command) {
      if (common.json && !sorted.flags.help) throw missingCommand(path, Object.keys(entry.subcommands ?? {}));
      const subject = { ...entry, name, definition: command };
      const exitCode = sorted.flags.help ? 0 : 2;
      return { text: commandHelp(subject, width), json: helpJson(subject), exitCode };
    }
    const [problem] = sorted.problems;
    if (problem) throw wrongFlag(name, problem, command);
    checkOperands(name, command, sorted.operands.length);
    return { command, given: givenTo(command, sorted), common };
  } finally {
    onCommon(common);
  }
}

/** Handles `--help`, `--version`, and a command line without a command. */
function withoutCommand(words: readonly string[], width: number): Information {
  const { flags, problems } = sortWords(words, { version: toggle('Print the version') });
  const { version, description } = packageJson;
  if (flags.version) return { text: `${version}\n`, json: { version }, exitCode: 0 };
  const [problem] = problems;
  if (problem && !flags.help) throw wrongFlag('', problem);
  if (flags.json && !flags.help) throw missingCommand([], Object.keys(commands));
  return {
    text: overviewHelp(description, sections, width),
    json: helpJson({ name: '', summary: description, subcommands: commands }),
    exitCode: flags.help ? 0 : 2,
  };
}

function commonOf({ machine, json, debug }: SortedWords['flags']): CommonGiven {
  return { machine, json, debug };
}

function givenTo(command: CommandDefinition, { flags, operands }: SortedWords): Given {
  const words = Object.entries(command.arguments).map(([name, { count }], index) => [
    name,
    operands.slice(index, count === 'rest' ? undefined : index + 1),
  ]);
  return { arguments: Object.fromEntries(words), flags };
}
