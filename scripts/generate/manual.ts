import packageJson from '../../package.json' with { type: 'json' };
import type { CommandDefinition, CommandTable } from '../../src/cli/framework/command.ts';
import { listEntries, type NamedEntry } from '../../src/cli/framework/command-table.ts';
import { argumentRows, argumentUsage, commonFlagRows, flagRows } from '../../src/cli/framework/help.ts';
import { commands, sections } from '../../src/cli/registry.ts';
import type { GeneratedFile } from './generated-file.ts';
import { environment, exampleLines, exitCodes, files, overview } from './manual-overview.ts';
import { escapeRoff, exampleList, flagTerm, pageReference, prose, section, termList } from './roff.ts';

export const manualDirectory = 'docs/man';

/** The manual pages: holdfast(1), and one for each command and group. */
export const manualPages: readonly GeneratedFile[] = [
  { path: `${manualDirectory}/holdfast.1`, make: () => overviewPage(sections) },
  ...listEntries(commands).map((entry) => ({
    path: `${manualDirectory}/${pageName(entry.name)}.1`,
    make: () => commandPage(entry),
  })),
];

/** Returns the manual page holdfast(1). */
function overviewPage(all: Readonly<Record<string, CommandTable>>): string {
  return page('holdfast', 'manage locked-down Linux machines', [
    ...section('SYNOPSIS', ['\\fBholdfast\\fR [\\fIflags\\fR] \\fICOMMAND\\fR ...']),
    ...section('DESCRIPTION', paragraphs(overview)),
    ...section(
      'COMMANDS',
      Object.entries(all).flatMap(([title, table]) => [`.SS ${title}`, ...commandList(table)]),
    ),
    ...section('OPTIONS', [
      prose('These flags stand in front of the command or after it.'),
      ...flagList(commonFlagRows),
      ...flagList([['--version', 'Print the version']]),
    ]),
    ...section('EXIT STATUS', termList(exitCodes.map(([code, meaning]) => [`\\fB${code}\\fR`, meaning]))),
    ...section(
      'ENVIRONMENT',
      termList(environment.map(([name, meaning]) => [`\\fB${escapeRoff(name)}\\fR`, meaning])),
    ),
    ...section('FILES', termList(files.map(([path, meaning]) => [`\\fI${escapeRoff(path)}\\fR`, meaning]))),
    ...section('EXAMPLES', exampleList(exampleLines)),
    ...section('SEE ALSO', [
      `${Object.values(all)
        .flatMap((table) => Object.keys(table))
        .map((word) => pageReference(`holdfast-${word}`))
        .join(',\n')}`,
    ]),
  ]);
}

/** Returns the manual page of one command or group, such as holdfast-update-apply(1). */
async function commandPage({ name, summary, subcommands, load }: NamedEntry): Promise<string> {
  const definition = await load?.();
  const title = pageName(name);
  const parent = name.includes(' ') ? [pageName(name.slice(0, name.lastIndexOf(' ')))] : [];
  const children = Object.keys(subcommands ?? {}).map((word) => `${title}-${word}`);
  return page(title, `${summary.charAt(0).toLowerCase()}${summary.slice(1)}`, [
    ...section('SYNOPSIS', synopsis(name, definition, subcommands)),
    ...section('DESCRIPTION', paragraphs(`${summary}.\n${definition?.description ?? ''}`.trim())),
    ...section('COMMANDS', subcommands ? commandList(subcommands, `${name} `) : []),
    ...section(
      'ARGUMENTS',
      termList(
        definition
          ? argumentRows(definition).map(([term, meaning]) => [`\\fI${escapeRoff(term)}\\fR`, `${meaning}.`])
          : [],
      ),
    ),
    ...section('OPTIONS', [
      ...flagList(definition ? flagRows(definition.flags) : []),
      '.PP',
      `The flags that every command takes are described in ${pageReference('holdfast')}.`,
    ]),
    ...section('EXAMPLES', exampleList(definition?.examples ?? [])),
    ...section('SEE ALSO', [['holdfast', ...parent, ...children].map(pageReference).join(',\n')]),
  ]);
}

/** Returns the name of a command's page: `holdfast-update-apply`. */
function pageName(command: string): string {
  return `holdfast-${command.replaceAll(' ', '-')}`;
}

function page(name: string, summary: string, lines: readonly string[]): string {
  return [
    '.\\" Generated from the command table by `npm run generate`. Do not edit.',
    `.TH ${escapeRoff(name.toUpperCase())} 1 "" "Holdfast ${packageJson.version}" "Holdfast Manual"`,
    // hyphenation and justified lines make names of commands harder to read
    '.nh',
    '.ad l',
    '.SH NAME',
    `${escapeRoff(name)} \\- ${prose(summary)}`,
    ...lines,
    '',
  ].join('\n');
}

function synopsis(
  name: string,
  definition: CommandDefinition | undefined,
  subcommands: CommandTable | undefined,
): string[] {
  const bold = `\\fBholdfast ${escapeRoff(name)}\\fR`;
  const own = definition && [
    bold,
    '[\\fIflags\\fR]',
    ...Object.values(definition.arguments).map((each) => `\\fI${escapeRoff(argumentUsage(each))}\\fR`),
  ];
  return [
    ...(own ? [own.join(' ')] : []),
    ...(own && subcommands ? ['.br'] : []),
    ...(subcommands ? [`${bold} \\fICOMMAND\\fR ...`] : []),
  ];
}

function paragraphs(text: string): string[] {
  return text.split('\n').flatMap((paragraph) => ['.PP', prose(paragraph)]);
}

/** Returns a list of commands, each with its summary and the page that describes it. */
function commandList(table: CommandTable, prefix = ''): string[] {
  return Object.entries(table).flatMap(([word, { summary }]) => [
    '.TP',
    pageReference(pageName(prefix + word)),
    `${prose(summary)}.`,
  ]);
}

function flagList(rows: readonly (readonly [usage: string, meaning: string])[]): string[] {
  return termList(rows.map(([usage, meaning]) => [flagTerm(usage), `${meaning}.`]));
}
