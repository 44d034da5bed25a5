import type { ZodType } from 'zod';
import { HoldfastError, misuse } from '../../base/errors.ts';
import type { Progress } from '../../base/progress.ts';
import type { Machine } from '../../machine/machine.ts';
import type { Home } from '../../machine/paths.ts';
import type { CommandTable } from './command-table.ts';
import type { Output } from './output.ts';

/** Loads the zod type of a command's output. Only tests and generators call it: a command's run does without. */
export type OutputType<T = unknown> = () => Promise<ZodType<T>>;

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
type Values<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends { read(...words: never[]): infer T } ? T : never;
};

/** What every command is called with. @typeParam T what it prints; the default accepts the context of any command. */
export interface Context<T = never> {
  /** The machine of `--machine NAME`, which need not exist. */
  readonly machine: Machine;
  /** `--json`: `output.result` heeds it already. */
  readonly json: boolean;
  readonly home: Home;
  /** All commands, for those that describe the others. */
  readonly commands: CommandTable;
  readonly progress: Progress;
  readonly output: Output<T>;
  /** The streams that `exec`, `shell` and `logs` hand through to the guest. Others use `output` and `progress`. */
  readonly streams: {
    readonly stdin: NodeJS.ReadStream;
    readonly stdout: NodeJS.WriteStream;
    readonly stderr: NodeJS.WriteStream;
  };
  /** Aborted by Ctrl-C and SIGTERM. The command cleans up and rejects; the process then exits with 130 or 143. */
  readonly signal: AbortSignal;
  /** The process's exit code when the command succeeds: `exec` returns the guest's. Default 0. */
  exitWith(code: number): void;
}

/** One call of a command, with its arguments and flags read. */
export interface Call<A extends Arguments, F extends Flags, T> extends Context<T> {
  readonly arguments: Values<A>;
  readonly flags: Values<F>;
}

/** A command as its file declares it. */
interface Declaration<A extends Arguments, F extends Flags, T> {
  /** What the summary leaves out, for help and the manual page: paragraphs of plain text. */
  readonly description?: string;
  /** In order; the key names the value in `call.arguments`. */
  readonly arguments: A;
  /** The key is the flag: `dataSize` is `--data-size`, and `call.flags.dataSize`. */
  readonly flags: F;
  /** All words from the first argument on are arguments, even those that look like flags: `exec ls -l`. */
  readonly passThrough?: boolean;
  /** A command line and what it does. */
  readonly examples: readonly (readonly [line: string, does: string])[];
  /** Loads the type of what the command prints with `--json`. */
  readonly output: OutputType<T>;
  run(call: Call<A, F, T>): Promise<void>;
}

/** The words of a command line, sorted by argument and flag but not yet read. */
export interface Given {
  readonly arguments: Readonly<Record<string, readonly string[]>>;
  readonly flags: Readonly<Record<string, string | true | undefined>>;
}

/** A command as the framework sees it. Its name and summary are in the registry, where help finds them without loading it. */
export interface CommandDefinition {
  readonly description: string | undefined;
  readonly arguments: Arguments;
  readonly flags: Flags;
  readonly passThrough: boolean;
  readonly examples: Declaration<Arguments, Flags, unknown>['examples'];
  readonly output: OutputType;
  /**
   * Reads what was given, which `understand` has checked against the tables above, and does the command's work.
   * @throws AggregateError of HoldfastErrors when several arguments or flags are wrong: all are reported at once.
   */
  run(given: Given, context: Context<unknown>): Promise<void>;
}

/** Declares a command: `export const updateApply = defineCommand({ … })`. */
export function defineCommand<A extends Arguments, F extends Flags, T>(
  declaration: Declaration<A, F, T>,
): CommandDefinition {
  return {
    description: declaration.description,
    output: declaration.output,
    arguments: declaration.arguments,
    flags: declaration.flags,
    passThrough: declaration.passThrough ?? false,
    examples: declaration.examples,
    run: async (given, context) => {
      const errors: HoldfastError[] = [];
      const read = <T>(label: string, reader: () => T): T | undefined => {
        try {
          return reader();
        } catch (error) {
          errors.push(misuseOf(label, error));
          return undefined;
        }
      };
      const words = Object.entries(declaration.arguments).map(([name, argument]) => [
        name,
        read(argument.placeholder, () => argument.read(given.arguments[name] ?? [])),
      ]);
      const flags = Object.entries(declaration.flags).map(([name, flag]) => [
        name,
        read(flagName(name), () => flag.read(given.flags[name])),
      ]);
      throwAll(errors);
      await declaration.run({
        ...context,
        arguments: Object.fromEntries(words) as Values<A>,
        flags: Object.fromEntries(flags) as Values<F>,
      });
    },
  };
}

/** `dataSize` as the user types it: `--data-size`. */
export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Throws the one error, or all of them as an AggregateError, which `main.ts` reports at once. */
export function throwAll(errors: readonly HoldfastError[]): void {
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} values are invalid`);
  if (errors[0]) throw errors[0];
}

/** Reads a word; throws `misuse` when it cannot. */
export interface Parser<T> {
  (word: string): T;
  /** The words that it accepts, when they are few. */
  readonly choices?: readonly string[];
}

/** An argument that must be there: `understand` sees to it. */
export function required<T>(placeholder: string, summary: string, parse: Parser<T>): Argument<T> {
  return {
    placeholder,
    summary,
    count: 'required',
    choices: parse.choices ?? [],
    read: ([word = '']) => parse(word),
  };
}

/** An argument that may be left out. */
export function optional<T>(placeholder: string, summary: string, parse: Parser<T>): Argument<T | undefined> {
  return {
    placeholder,
    summary,
    count: 'optional',
    choices: parse.choices ?? [],
    read: ([word]) => (word === undefined ? undefined : parse(word)),
  };
}

/** All words that remain: one or more. */
export function rest(placeholder: string, summary: string): Argument<readonly string[]> {
  return { placeholder, summary, count: 'rest', choices: [], read: (words) => words };
}

/** A flag without a value: true when given. */
export function toggle(summary: string): Flag<boolean> {
  return { placeholder: undefined, summary, choices: [], read: (given) => given === true };
}

/** A flag with a value; undefined when absent. */
export function setting<T>(placeholder: string, summary: string, parse: Parser<T>): Flag<T | undefined> {
  return {
    placeholder,
    summary,
    choices: parse.choices ?? [],
    read: (given) => (typeof given === 'string' ? parse(given) : undefined),
  };
}

/** Parser: the word as it is. @throws HoldfastError `usage.empty`. */
export function anyText(word: string): string {
  if (word === '') throw misuse('usage.empty', 'the value is empty');
  return word;
}

/** Parser: a whole number, zero or more. @throws HoldfastError `usage.number`. */
export function wholeNumber(word: string): number {
  const number = /^\d+$/.test(word) ? Number(word) : Number.NaN;
  if (!Number.isSafeInteger(number)) {
    throw misuse('usage.number', `'${word}' is not a whole number`, { next: 'use digits only, such as 4' });
  }
  return number;
}

/** Parser: one of these words. The parser throws HoldfastError `usage.choice`. */
export function oneOf<const T extends string>(...choices: readonly T[]): Parser<T> {
  const parse = (word: string): T => {
    const choice = choices.find((candidate) => candidate === word);
    if (choice === undefined) {
      throw misuse('usage.choice', `'${word}' is not one of the choices`, {
        next: `choose ${choices.join(' or ')}`,
      });
    }
    return choice;
  };
  return Object.assign(parse, { choices });
}

/** Says which argument or flag an error is about. Errors that are not the user's pass unchanged. */
function misuseOf(label: string, error: unknown): HoldfastError {
  if (!(error instanceof HoldfastError)) throw error;
  const { code, message, why, next } = error;
  const parts = { ...(why && { why }), ...(next && { next }), cause: error };
  return misuse(code, `${label}: ${message}`, parts);
}
