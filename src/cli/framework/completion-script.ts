import { quoteWord } from '../../base/shell-quote.ts';
import type { CommandDefinition, CommandTable } from './command.ts';
import { listEntries } from './command-table.ts';
import { commonFlags } from './common-flags.ts';
import { flagNames } from './flag-words.ts';
import { type Flag, flagName } from './parameters.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/**
 * Returns the script that completes `holdfast` in a shell. Commands, flags and choices are written into it, so that the
 * tabulator key starts no program of ours; other values are completed as file names.
 */
export async function completionScript(shell: Shell, table: CommandTable): Promise<string> {
  const loaded = listEntries(table).map(async ({ name, load, subcommands }) => ({
    name,
    subcommands,
    definition: await load?.(),
  }));
  const places = [{ name: '', subcommands: table, definition: undefined }, ...(await Promise.all(loaded))];
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](places);
}

/** What can be typed after a name; the empty name is that of `holdfast` itself. */
interface Place {
  readonly name: string;
  readonly subcommands: CommandTable | undefined;
  readonly definition: CommandDefinition | undefined;
}

/** Lists the machines' names, in POSIX sh: the directories that `homeDirectory` and `homeAt` name. */
const listMachines = [
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a shell's
  'cd "${HOLDFAST_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/holdfast}/machines" 2>/dev/null &&',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a shell's
  'for each in */; do [ -d "$each" ] && echo "${each%/}"; done',
].join(' ');

function bashScript(places: readonly Place[]): string {
  return `_holdfast() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local command= help= flags= values= index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case $command\${COMP_WORDS[index]} in
      help) help=yes; continue ;;
    esac
    case \${COMP_WORDS[index]} in
      ${valueFlags(places).join('|')}) ((index++)) ;;
      -*) ;;
      *)
        command=\${command:+$command }\${COMP_WORDS[index]}
        case $command in ${groupNames(places).map(quoteWord).join('|') || "''"}) ;; *) break ;; esac
        ;;
    esac
  done
  case $command in
${places.map(bashPlace).join('\n')}
  esac
  case "$command $previous" in
    *' --machine') flags= values=$(${listMachines}) ;;
${places.flatMap(bashValues).join('\n')}
  esac
  if [[ $help ]]; then flags=; elif [[ ! $command ]]; then values+=' help'; fi
  if [[ $word == -* ]]; then values=$flags; fi
  COMPREPLY=($(compgen -W "$values" -- "$word"))
}
complete -o default -F _holdfast holdfast
`;
}

/** Returns the names after which another word of a command's name can follow. */
function groupNames(places: readonly Place[]): string[] {
  return places.flatMap(({ name, subcommands }) => (name !== '' && subcommands ? [name] : []));
}

/** Returns the flags whose next word is no command. */
function valueFlags(places: readonly Place[]): string[] {
  const tables = [commonFlags, ...places.map(({ definition }) => definition?.flags ?? {})];
  const flags = tables.flatMap((table) => Object.entries(table));
  return [
    ...new Set(flags.flatMap(([key, { placeholder }]) => (placeholder === undefined ? [] : [flagName(key)]))),
  ];
}

/** Returns the words that can follow a name: subcommands, and the choices of its arguments. */
function wordsAfter({ subcommands = {}, definition }: Place): string[] {
  const choices = Object.values(definition?.arguments ?? {}).flatMap((argument) => argument.choices);
  return [...Object.keys(subcommands), ...choices];
}

/**
 * Returns bash's completion of a place. Nothing is offered after a command for the guest: the words are that
 * command's.
 */
function bashPlace(place: Place): string {
  const { name, definition } = place;
  const flags = definition?.passThrough ? [] : flagNames(definition?.flags ?? {});
  const offered = name === '' ? [...flags, '--version'] : flags;
  const values = wordsAfter(place);
  return `    ${quoteWord(name)}) flags=${quoteWord(offered.join(' '))} values=${quoteWord(values.join(' '))} ;;`;
}

/** Returns bash's completion of each flag with a value. */
function bashValues({ name, definition }: Place): string[] {
  return Object.entries(definition?.flags ?? {})
    .filter(([, { placeholder }]) => placeholder !== undefined)
    .map(([key, { choices }]) => {
      return `    '${name} ${flagName(key)}') flags= values=${quoteWord(choices.join(' '))} ;;`;
    });
}

/** Returns the script for zsh, which runs bash's completion functions itself. */
function zshScript(places: readonly Place[]): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(places)}`;
}

function fishScript(places: readonly Place[]): string {
  const groups = groupNames(places).map(quoteFish).join(' ');
  return `function __holdfast_machines; sh -c ${quoteFish(listMachines)}; end
function __holdfast_command
  set -l command
  set -l is_value no
  for word in (commandline -opc)[2..]
    if test $is_value = yes
      set is_value no
      continue
    end
    switch $word
      case ${valueFlags(places).join(' ')}
        set is_value yes
      case '-*'
      case '*'
        set -a command $word
        contains -- "$command" ${groups}; or break
    end
  end
  test "$command" = "$argv"
end
${[
  fishFlag('', 'machine', { ...commonFlags.machine, choices: ['(__holdfast_machines)'] }),
  fishFlag('', 'json', commonFlags.json),
  fishFlag('', 'debug', commonFlags.debug),
  ...places.flatMap(fishPlace),
].join('\n')}
`;
}

function fishPlace(place: Place): string[] {
  const { name, subcommands = {}, definition } = place;
  const condition = ` -n ${quoteFish(`__holdfast_command ${name}`.trim())}`;
  const lines = Object.entries(subcommands).map(([word, { summary }]) => {
    return `complete -c holdfast -f${condition} -a ${word} -d ${quoteFish(summary)}`;
  });
  if (name === '') {
    lines.push(`complete -c holdfast -f${condition} -a help -d 'Show the help of a command'`);
    const names = Object.keys(subcommands).join(' ');
    lines.push(`complete -c holdfast -f -n '__holdfast_command help' -a ${quoteFish(names)}`);
  }
  for (const [key, flag] of Object.entries(definition?.flags ?? {}))
    lines.push(fishFlag(condition, key, flag));
  const choices = Object.values(definition?.arguments ?? {}).flatMap((argument) => argument.choices);
  if (choices.length > 0)
    lines.push(`complete -c holdfast -f${condition} -a ${quoteFish(choices.join(' '))}`);
  return lines;
}

function fishFlag(condition: string, key: string, flag: Flag<unknown>): string {
  const choices = flag.choices.length > 0 ? ` -x -a ${quoteFish(flag.choices.join(' '))}` : ' -r';
  const value = flag.placeholder === undefined ? '' : choices;
  return `complete -c holdfast${condition} -l ${flagName(key).slice(2)}${value} -d ${quoteFish(flag.summary)}`;
}

/**
 * Quotes a word for fish: in its single quotes only the quote and the backslash are special (fish
 * documentation, "Quotes").
 */
function quoteFish(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}
