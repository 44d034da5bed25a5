import { misuse } from '../../base/errors.ts';

/** A positional argument. Made by `required`, `optional` and `rest`. */
export interface Argument<T> {
  /** How help names it, such as `SRC`. */
  readonly placeholder: string;
  readonly summary: string;
  readonly count: 'required' | 'optional' | 'rest';
  /** The values that completion offers, when they are few. */
  readonly choices: readonly string[];
  read(words: readonly string[]): T;
}

/** A flag. Made by `toggle` and `setting`; its name is its key in the command's table. */
export interface Flag<T> {
  /** How help names the value, such as `SIZE`; undefined: the flag takes none. */
  readonly placeholder: string | undefined;
  readonly summary: string;
  readonly choices: readonly string[];
  /** `given` is undefined when the flag is absent, `true` when it takes no value. */
  read(given: string | true | undefined): T;
}

export type Arguments = Readonly<Record<string, Argument<unknown>>>;
export type Flags = Readonly<Record<string, Flag<unknown>>>;
/** The values that a table of arguments or flags reads. */
export type Values<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends { read(...words: never[]): infer T } ? T : never;
};

/** Reads a word; throws `misuse` when it cannot. */
export interface Parser<T> {
  (word: string): T;
  /** The words that it accepts, when they are few. */
  readonly choices?: readonly string[];
}

/** Declares a required argument; `understand` enforces it. */
export function required<T>(placeholder: string, summary: string, parse: Parser<T>): Argument<T> {
  return {
    placeholder,
    summary,
    count: 'required',
    choices: parse.choices ?? [],
    read: ([word = '']) => parse(word),
  };
}

/** Declares an optional argument. */
export function optional<T>(placeholder: string, summary: string, parse: Parser<T>): Argument<T | undefined> {
  return {
    placeholder,
    summary,
    count: 'optional',
    choices: parse.choices ?? [],
    read: ([word]) => (word === undefined ? undefined : parse(word)),
  };
}

/** Declares an argument that takes all remaining words: one or more. */
export function rest(placeholder: string, summary: string): Argument<readonly string[]> {
  return { placeholder, summary, count: 'rest', choices: [], read: (words) => words };
}

/** Declares a flag without a value: true when given. */
export function toggle(summary: string): Flag<boolean> {
  return { placeholder: undefined, summary, choices: [], read: (given) => given === true };
}

/** Declares a flag with a value; undefined when absent. */
export function setting<T>(placeholder: string, summary: string, parse: Parser<T>): Flag<T | undefined> {
  return {
    placeholder,
    summary,
    choices: parse.choices ?? [],
    read: (given) => (typeof given === 'string' ? parse(given) : undefined),
  };
}

/** Parses any text that is not empty. @throws HoldfastError `usage.empty`. */
export function anyText(word: string): string {
  if (word === '') throw misuse('usage.empty', 'the value is empty');
  return word;
}

/** Parses a whole number, zero or more. @throws HoldfastError `usage.number`. */
export function wholeNumber(word: string): number {
  const number = /^\d+$/.test(word) ? Number(word) : Number.NaN;
  if (!Number.isSafeInteger(number)) {
    throw misuse('usage.number', `'${word}' is not a whole number`, { next: 'use digits only, such as 4' });
  }
  return number;
}

/** Returns a parser of one of these words. It throws HoldfastError `usage.choice`. */
export function oneOf<const T extends string>(...choices: readonly T[]): Parser<T> {
  const parse = (word: string): T => {
    const choice = choices.find((candidate) => candidate === word);
    if (choice === undefined) {
      throw misuse('usage.choice', `'${word}' is not one of the choices`, {
        next: `choose ${new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(choices)}`,
      });
    }
    return choice;
  };
  return Object.assign(parse, { choices });
}

/** Returns `dataSize` as the user types it: `--data-size`. */
export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
