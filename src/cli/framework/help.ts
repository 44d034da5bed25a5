import type { CommandDefinition, CommandEntry, CommandTable } from './command.ts';
import { commonFlags } from './common-flags.ts';
import { flagUsage } from './flag-words.ts';
import type { Argument, Flags } from './parameters.ts';

type Row = readonly [term: string, meaning: string];

/** Everything that help shows of one command or group. */
export interface HelpSubject extends CommandEntry {
  readonly name: string;
  /** Absent for a group that does nothing by its name alone. */
  readonly definition?: CommandDefinition | undefined;
}

/** Returns the help of all commands, in sections. */
export function overviewHelp(
  about: string,
  sections: Readonly<Record<string, CommandTable>>,
  width: number,
): string {
  const flags = [...commonFlagRows, versionRow];
  const rows = Object.values(sections).flatMap(summariesOf);
  const indent = indentOf([...rows, ...flags]);
  return joined([
    'Usage: holdfast [flags] COMMAND ...',
    wrapped(about, 0, width),
    ...Object.entries(sections).map(([title, table]) => rowsText(title, summariesOf(table), width, indent)),
    rowsText('Common flags', flags, width, indent),
    wrapped('Run `holdfast help COMMAND` for the arguments, flags and examples of a command.', 0, width),
  ]);
}

/** Returns the help of one command, or of a group. */
export function commandHelp(subject: HelpSubject, width: number): string {
  const { name, summary, definition, subcommands } = subject;
  return joined([
    `Usage: ${usageLines(subject).join('\n       ')}`,
    wrapped(`${summary}.`, 0, width),
    definition?.description && wrapped(definition.description.replaceAll('\n', '\n\n'), 0, width),
    definition && rowsText('Arguments', argumentRows(definition), width),
    subcommands && rowsText('Commands', summariesOf(subcommands), width),
    definition && rowsText('Flags', flagRows(definition.flags), width),
    rowsText('Common flags', commonFlagRows, width),
    definition && rowsText('Examples', definition.examples, width),
    subcommands && wrapped(`Run \`holdfast help ${name} COMMAND\` for one of these commands.`, 0, width),
  ]);
}

/** Help with `--json`: of a command, of a group, or of all commands. */
export interface HelpJson {
  readonly name: string;
  readonly summary: string;
  readonly description?: string;
  readonly usage: readonly string[];
  readonly arguments: readonly HelpRow[];
  readonly flags: readonly HelpRow[];
  readonly commands: readonly HelpRow[];
  readonly examples: readonly HelpRow[];
}

interface HelpRow {
  readonly usage: string;
  readonly summary: string;
}

/** Returns help as JSON. @param subject the empty name stands for `holdfast` itself. */
export function helpJson(subject: HelpSubject): HelpJson {
  const { name, summary, definition, subcommands } = subject;
  return {
    ...{ name, summary, usage: usageLines(subject) },
    ...(definition?.description !== undefined && { description: definition.description }),
    arguments: definition ? argumentRows(definition).map(helpRow) : [],
    flags: [
      ...(definition ? flagRows(definition.flags) : []),
      ...commonFlagRows,
      ...(name === '' ? [versionRow] : []),
    ].map(helpRow),
    commands: subcommands ? summariesOf(subcommands).map(helpRow) : [],
    examples: definition ? definition.examples.map(helpRow) : [],
  };
}

function helpRow([usage, summary]: Row): HelpRow {
  return { usage, summary };
}

function usageLines({ name, definition, subcommands }: HelpSubject): string[] {
  return [
    ...(definition ? [usageLine(name, definition)] : []),
    ...(subcommands ? [`holdfast ${name === '' ? '[flags]' : name} COMMAND ...`] : []),
  ];
}

/** Returns the usage of a command: `holdfast copy [flags] SRC DST`. */
export function usageLine(name: string, definition: Pick<CommandDefinition, 'arguments'>): string {
  const words = Object.values(definition.arguments).map(argumentUsage);
  return ['holdfast', name, '[flags]', ...words].join(' ');
}

/** Returns the usage of an argument: `SRC`, `[PATH]`, `COMMAND ...`. */
export function argumentUsage({ placeholder, count }: Argument<unknown>): string {
  if (count === 'optional') return `[${placeholder}]`;
  return count === 'rest' ? `${placeholder} ...` : placeholder;
}

/** Returns the arguments of a command, with their meaning. */
export function argumentRows(definition: CommandDefinition): Row[] {
  return Object.values(definition.arguments).map(({ placeholder, summary }) => [placeholder, summary]);
}

/** Returns flags with their values and their meaning. */
export function flagRows(flags: Flags): Row[] {
  return Object.entries(flags).map(([key, flag]) => [flagUsage(key, flag), flag.summary]);
}

/** The flags of every command. */
export const commonFlagRows: readonly Row[] = [...flagRows(commonFlags), ['-h, --help', 'Show this help']];

const versionRow: Row = ['--version', 'Print the version'];

function summariesOf(table: CommandTable): Row[] {
  return Object.entries(table).map(([word, { summary }]) => [word, summary]);
}

/** Returns a titled table of two columns; undefined when it has no rows. */
function rowsText(
  title: string,
  rows: readonly Row[],
  width: number,
  indent = indentOf(rows),
): string | undefined {
  if (rows.length === 0) return undefined;
  // a narrow second column is worse to read than one below the first
  const below = width - indent < 30;
  const lines = rows.map(([term, meaning]) =>
    below
      ? `  ${term}\n${wrapped(meaning, 6, width)}`
      : `  ${term.padEnd(indent - 2)}${wrapped(meaning, indent, width).trimStart()}`,
  );
  return `${title}:\n${lines.join('\n')}`;
}

/** Returns the column in which the second column begins. */
function indentOf(rows: readonly Row[]): number {
  return Math.max(0, ...rows.map(([term]) => term.length)) + 4;
}

/** Breaks text at blanks, so that each line fits; line breaks of the text stay. */
function wrapped(text: string, indent: number, width: number): string {
  const margin = ' '.repeat(indent);
  const room = Math.max(width - indent, 20);
  return text
    .split('\n')
    .flatMap((paragraph) => {
      const lines: string[] = [''];
      for (const word of paragraph.split(' ')) {
        const last = lines.length - 1;
        const longer = lines[last] === '' ? word : `${lines[last]} ${word}`;
        if (longer.length <= room || lines[last] === '') lines[last] = longer;
        else lines.push(word);
      }
      return lines.map((line) => (margin + line).trimEnd());
    })
    .join('\n');
}

function joined(parts: readonly (string | undefined)[]): string {
  return `${parts.filter((part) => part !== undefined).join('\n\n')}\n`;
}
