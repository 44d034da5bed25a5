import type { CommandDefinition, CommandEntry, CommandTable } from './command.ts';
import { loadCommands } from './command-table.ts';
import { isFlag, takesNextWord } from './flag-words.ts';
import { unknownCommand } from './usage-error.ts';

/** The command of a command line, and the words that are left for it. */
export interface FoundCommand {
  /** The words of its name; empty when no command is named. */
  readonly path: readonly string[];
  readonly entry: CommandEntry;
  readonly rest: readonly string[];
}

/**
 * Finds the command that a command line names. Its flags may stand in front of the name's last word
 * (`update --from DIR apply`), the common flags anywhere. `help NAME` is `NAME --help`.
 * @throws HoldfastError `usage` when there is no such command.
 */
export async function findCommand(words: readonly string[], table: CommandTable): Promise<FoundCommand> {
  const path: string[] = [];
  const flags: string[] = [];
  let entry: CommandEntry = { summary: '', subcommands: table };
  let index = 0;
  for (; entry.subcommands && index < words.length; index++) {
    const word = words[index] ?? '';
    const isFirst = path.length === 0;
    if (isFirst && word === 'help') {
      return findCommand([...flags, '--help', ...words.slice(index + 1)], table);
    }
    if (!isFlag(word)) {
      const next = Object.hasOwn(entry.subcommands, word) ? entry.subcommands[word] : undefined;
      if (!next) throw unknownCommand(path, word, Object.keys(entry.subcommands));
      path.push(word);
      entry = next;
      continue;
    }
    const takesNext = takesNextWord(word, {}) ?? (isFirst ? undefined : await takesNextOf(word, entry));
    if (takesNext === undefined && isFirst) break; // `--version`, or a mistake: nothing after it can be a command's name
    flags.push(word);
    if (takesNext) flags.push(...words.slice(++index, index + 1));
  }
  return { path, entry, rest: [...flags, ...words.slice(index)] };
}

/** Returns the result of `takesNextWord` for the flags of any command of a group. */
async function takesNextOf(word: string, { load, subcommands = {} }: CommandEntry) {
  const members = (await loadCommands(subcommands)).map(({ definition }) => definition);
  const definitions: CommandDefinition[] = load ? [await load(), ...members] : members;
  return takesNextWord(word, Object.assign({}, ...definitions.map(({ flags }) => flags)));
}
