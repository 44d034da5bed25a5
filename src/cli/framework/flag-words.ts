import { commonFlags } from './common-flags.ts';
import { type Flag, type Flags, flagName } from './parameters.ts';

/** The words of a command line, sorted but unread: `true` stands for a flag without a value. */
export interface SortedWords {
  readonly flags: Readonly<Record<string, string | true | undefined>>;
  readonly operands: readonly string[];
  readonly problems: readonly FlagProblem[];
}

/** A flag that cannot be used. */
export interface FlagProblem {
  readonly kind: 'unknown' | 'no value' | 'unwanted value';
  /** As help shows it: `--cpus N`. */
  readonly flag: string;
}

/** Returns true for `--name` and `--name=value`. */
export function isFlag(word: string): boolean {
  return word.startsWith('-') && word !== '-';
}

/** Returns whether the word after this flag is its value; undefined for an unknown flag. */
export function takesNextWord(word: string, flags: Flags): boolean | undefined {
  const { name, value } = splitFlag(word);
  const found = findFlag(name, flags);
  return found && found.flag.placeholder !== undefined && value === undefined;
}

/**
 * Sorts words into flags and operands; a flag that is repeated counts as given last. All words after `--` are operands.
 * @param passThrough whether all words after the first operand are operands too.
 */
export function sortWords(words: readonly string[], flags: Flags, passThrough = false): SortedWords {
  const values: Record<string, string | true> = {};
  const operands: string[] = [];
  const problems: FlagProblem[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    if (word === '--' || (passThrough && !isFlag(word))) {
      operands.push(...words.slice(word === '--' ? index + 1 : index));
      break;
    }
    if (!isFlag(word)) {
      operands.push(word);
      continue;
    }
    const { name, value } = splitFlag(word);
    const found = findFlag(name, flags);
    if (!found) problems.push({ kind: 'unknown', flag: name });
    else if (found.flag.placeholder === undefined) {
      if (value === undefined) values[found.key] = true;
      else problems.push({ kind: 'unwanted value', flag: name });
    } else {
      const given = value ?? words[++index];
      if (given === undefined) problems.push({ kind: 'no value', flag: flagUsage(found.key, found.flag) });
      else values[found.key] = given;
    }
  }
  return { flags: values, operands, problems };
}

/** Flags that every command line takes, in front of those of its command. */
const universalFlags: Flags = {
  ...commonFlags,
  help: { placeholder: undefined, summary: 'Show this help', choices: [], read: (given) => given === true },
};

function findFlag(name: string, flags: Flags) {
  const wanted = name === '-h' ? '--help' : name;
  for (const table of [flags, universalFlags])
    for (const [key, flag] of Object.entries(table)) if (flagName(key) === wanted) return { key, flag };
  return undefined;
}

/** Returns all flags of a command line with these flags. */
export function flagNames(flags: Flags): string[] {
  return Object.keys({ ...flags, ...universalFlags }).map(flagName);
}

/** Returns the usage of a flag: `--data-size SIZE`. */
export function flagUsage(key: string, { placeholder }: Flag<unknown>): string {
  return placeholder === undefined ? flagName(key) : `${flagName(key)} ${placeholder}`;
}

function splitFlag(word: string): { readonly name: string; readonly value: string | undefined } {
  const [, name = word, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
  return { name, value };
}
