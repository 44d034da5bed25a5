import type { NamedEntry } from '../../src/cli/framework/command-table.ts';
import { listEntries } from '../../src/cli/framework/command-table.ts';
import { argumentRows, commonFlagRows, flagRows, usageLine } from '../../src/cli/framework/help.ts';
import { sections } from '../../src/cli/registry.ts';
import { exitCodes, overview } from './manual-overview.ts';
import { markdownTable } from './markdown.ts';

type Row = readonly [string, string];

/** The page of all commands. */
export const cliPage = { path: 'docs/reference/cli.md', make: commandReference };

async function commandReference(): Promise<string> {
  const parts = await Promise.all(
    Object.entries(sections).map(async ([title, table]) => {
      const entries = await Promise.all(listEntries(table).map(commandSection));
      return [`## ${title}`, ...entries].join('\n\n');
    }),
  );
  return `${[
    '<!-- Generated from the command table by `npm run generate`. Do not edit. -->',
    '# Command line',
    sentences(overview),
    '`holdfast help COMMAND` shows the same for one command.\nThe manual pages are in [docs/man](../man/): `man docs/man/holdfast.1`.',
    'These flags stand in front of the command or after it:',
    table(['flag', 'meaning'], [...code(commonFlagRows), ...code([['--version', 'Print the version']])]),
    '[Files](files.md) lists the environment variables.',
    '## Exit codes',
    table(['code', 'meaning'], exitCodes),
    ...parts,
  ].join('\n\n')}\n`;
}

async function commandSection({ name, summary, load, subcommands }: NamedEntry): Promise<string> {
  const definition = await load?.();
  const usage = [
    ...(definition ? [usageLine(name, definition)] : []),
    ...(subcommands ? [`holdfast ${name} COMMAND ...`] : []),
  ];
  const examples = (definition?.examples ?? []).map(([line, does]) => `# ${does}\n${line}`);
  return [
    `### holdfast ${name}`,
    sentences(`${summary}.\n${definition?.description ?? ''}`.trim()),
    block('', usage),
    ...(definition ? [table(['argument', 'meaning'], code(argumentRows(definition)))] : []),
    ...(definition ? [table(['flag', 'meaning'], code(flagRows(definition.flags)))] : []),
    ...(examples.length > 0 ? [block('sh', examples)] : []),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** Breaks text after each sentence, as in all of docs/. */
function sentences(text: string): string {
  return text.replace(/\n/g, '\n\n').replace(/([.?]) (?=[A-Z`])/g, '$1\n');
}

function block(language: string, lines: readonly string[]): string {
  return `\`\`\`${language}\n${lines.join('\n')}\n\`\`\``;
}

function code(rows: readonly Row[]): Row[] {
  return rows.map(([term, meaning]) => [`\`${term}\``, meaning]);
}

/** Returns a table; an empty text when there are no rows. */
function table(heading: Row, rows: readonly Row[]): string {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  return rows.length === 0 ? '' : markdownTable(heading, cells);
}
