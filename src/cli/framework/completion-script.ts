import { quoteWord } from '../../base/log.ts';
import { flagName, type Verb } from './command.ts';
import { commonFlags } from './common-flags.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** A verb with the name and summary that `verbs.ts` gives it. */
export interface NamedVerb {
  readonly name: string;
  readonly summary: string;
  readonly verb: Verb;
}

/**
 * The script that completes `holdfast` in a shell. Verbs, flags and choices are written into it, so that a press of the
 * tabulator key starts no program of ours; other values are completed as file names.
 */
export function completionScript(shell: Shell, verbs: readonly NamedVerb[]): string {
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](verbs);
}

/** Lists the machines' names, in POSIX sh: the directories that `homeDirectory` and `homeLayout` name. */
const listMachines = [
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a shell's
  'cd "${HOLDFAST_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/holdfast}/machines" 2>/dev/null &&',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a shell's
  'for each in */; do [ -d "$each" ] && echo "${each%/}"; done',
].join(' ');

function bashScript(verbs: readonly NamedVerb[]): string {
  const names = firstWords(verbs);
  const common = Object.keys(commonFlags).map(flagName).join(' ');
  return `_holdfast() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} verb= flags= values= index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index]} in
      --machine) ((index++)) ;;
      -*) ;;
      *)
        verb=\${verb:+$verb }\${COMP_WORDS[index]}
        case $verb in ${groupPattern(verbs)}) ;; *) break ;; esac
        ;;
    esac
  done
  case $verb in
    '') flags=${quoteWord(`${common} --help --version`)} values=${quoteWord(`${names} help`)} ;;
    help) flags= values=${quoteWord(names)} ;;
${[...bashGroups(verbs), ...verbs.map(bashVerb)].join('\n')}
  esac
  case "$verb $previous" in
    *' --machine') flags= values=$(${listMachines}) ;;
${verbs.flatMap(bashValues).join('\n')}
  esac
  if [[ $word == -* ]]; then values=$flags; fi
  COMPREPLY=($(compgen -W "$values" -- "$word"))
}
complete -o default -F _holdfast holdfast
`;
}

function firstWords(verbs: readonly NamedVerb[]): string {
  return [...new Set(verbs.map(({ name }) => name.split(' ')[0] ?? ''))].join(' ');
}

/** The second words of verbs that have two, by their first. */
function groupsOf(verbs: readonly NamedVerb[]): Map<string, NamedVerb[]> {
  const groups = Map.groupBy(verbs, ({ name }) => name.split(' ')[0] ?? '');
  for (const [first, [verb]] of groups) if (verb?.name === first) groups.delete(first);
  return groups;
}

/** A pattern of bash's `case`; a verb without a name is none. */
function groupPattern(verbs: readonly NamedVerb[]): string {
  return [...groupsOf(verbs).keys()].join('|') || "''";
}

function bashGroups(verbs: readonly NamedVerb[]): string[] {
  return [...groupsOf(verbs)].map(([first, members]) => {
    const seconds = members.map(({ name }) => name.slice(first.length + 1)).join(' ');
    return `    ${first}) flags=--help values=${quoteWord(seconds)} ;;`;
  });
}

/** What a verb itself offers. Words after a command for the guest are that command's. */
function bashVerb({ name, verb }: NamedVerb): string {
  const flags = Object.keys({ ...verb.flags, ...commonFlags }).map(flagName);
  const choices = Object.values(verb.arguments).flatMap((argument) => argument.choices);
  const offered = verb.passThrough ? '' : [...flags, '--help'].join(' ');
  return `    ${quoteWord(name)}) flags=${quoteWord(offered)} values=${quoteWord(choices.join(' '))} ;;`;
}

/** What may follow each flag of a verb that takes a value. */
function bashValues({ name, verb }: NamedVerb): string[] {
  return Object.entries(verb.flags)
    .filter(([, { placeholder }]) => placeholder !== undefined)
    .map(([key, { choices }]) => {
      return `    '${name} ${flagName(key)}') flags= values=${quoteWord(choices.join(' '))} ;;`;
    });
}

/** Zsh runs bash's completion functions itself. */
function zshScript(verbs: readonly NamedVerb[]): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(verbs)}`;
}

function fishScript(verbs: readonly NamedVerb[]): string {
  const lines = [`function __holdfast_machines; sh -c ${quoteFish(listMachines)}; end`];
  lines.push(fishFlag('', 'machine', { ...commonFlags.machine, choices: ['(__holdfast_machines)'] }));
  lines.push(fishFlag('', 'json', commonFlags.json), fishFlag('', 'debug', commonFlags.debug));
  lines.push("complete -c holdfast -f -n __fish_use_subcommand -a help -d 'show what a verb takes'");
  lines.push(
    `complete -c holdfast -f -n '__fish_seen_subcommand_from help' -a ${quoteFish(firstWords(verbs))}`,
  );
  for (const first of groupsOf(verbs).keys())
    lines.push(`complete -c holdfast -f -n __fish_use_subcommand -a ${first}`);
  for (const { name, summary, verb } of verbs) {
    const [first = '', second] = name.split(' ');
    const seen = (word: string) => `__fish_seen_subcommand_from ${word}`;
    const free = second === undefined ? '__fish_use_subcommand' : seen(first);
    lines.push(
      `complete -c holdfast -f -n ${quoteFish(free)} -a ${second ?? first} -d ${quoteFish(summary)}`,
    );
    const condition = ` -n ${quoteFish(second === undefined ? seen(first) : `${seen(first)}; and ${seen(second)}`)}`;
    for (const [key, flag] of Object.entries(verb.flags)) lines.push(fishFlag(condition, key, flag));
    const choices = Object.values(verb.arguments).flatMap((argument) => argument.choices);
    if (choices.length > 0)
      lines.push(`complete -c holdfast -f${condition} -a ${quoteFish(choices.join(' '))}`);
  }
  return `${lines.join('\n')}\n`;
}

function fishFlag(condition: string, key: string, flag: Verb['flags'][string]): string {
  const choices = flag.choices.length > 0 ? ` -x -a ${quoteFish(flag.choices.join(' '))}` : ' -r';
  const value = flag.placeholder === undefined ? '' : choices;
  return `complete -c holdfast${condition} -l ${flagName(key).slice(2)}${value} -d ${quoteFish(flag.summary)}`;
}

/** In fish's single quotes only the quote and the backslash are special (fish documentation, "Quotes"). */
function quoteFish(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}
