import type { CommandDefinition, CommandEntry, CommandTable } from './command.ts';

/** An entry with its whole name: `release keys init`. */
export interface NamedEntry extends CommandEntry {
  readonly name: string;
}

/** An entry that can be run, loaded. */
export interface NamedCommand {
  readonly name: string;
  readonly summary: string;
  readonly definition: CommandDefinition;
}

/** Lists every entry below `prefix`, groups before their members, in the order of help. */
export function listEntries(table: CommandTable, prefix = ''): NamedEntry[] {
  return Object.entries(table).flatMap(([word, entry]) => {
    const name = prefix === '' ? word : `${prefix} ${word}`;
    return [{ ...entry, name }, ...listEntries(entry.subcommands ?? {}, name)];
  });
}

/** Loads every command of the table. */
export async function loadCommands(table: CommandTable): Promise<NamedCommand[]> {
  const loaded = listEntries(table).map(async ({ name, summary, load }) =>
    load ? [{ name, summary, definition: await load() }] : [],
  );
  return (await Promise.all(loaded)).flat();
}
