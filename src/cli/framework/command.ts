import type { ZodType } from 'zod';
import { HoldfastError, misuse } from '../../base/errors.ts';
import type { Progress } from '../../base/progress.ts';
import type { Machine } from '../../machine/machine.ts';
import type { Home } from '../../machine/paths.ts';
import type { Output } from './output.ts';
import { type Arguments, type Flags, flagName, type Values } from './parameters.ts';

/** Loads the zod type of a command's output. Only tests and generators call it: a command's run does without. */
export type OutputType<T = unknown> = () => Promise<ZodType<T>>;

/** The context of every command. @typeParam T what it prints; the default accepts the context of any command. */
export interface Context<T = never> {
  /** The machine of `--machine NAME`, which need not exist. */
  readonly machine: Machine;
  /** `--json`: `output.result` applies it already. */
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

/** A command, a group of commands, or both: `attest` is a command, `attest verify` another. */
export interface CommandEntry {
  /** What help lists: an imperative without a full stop, under 60 characters. */
  readonly summary: string;
  /** Loads what the name alone does; absent: it needs a subcommand. With subcommands, it takes no arguments. */
  readonly load?: () => Promise<CommandDefinition>;
  readonly subcommands?: CommandTable;
}

export type CommandTable = Readonly<Record<string, CommandEntry>>;

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

/** Throws the one error, or all of them as an AggregateError, which `main.ts` reports at once. */
export function throwAll(errors: readonly HoldfastError[]): void {
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} values are invalid`);
  if (errors[0]) throw errors[0];
}

/** Names the argument or flag in an error. Errors that are not the user's are returned unchanged. */
function misuseOf(label: string, error: unknown): HoldfastError {
  if (!(error instanceof HoldfastError)) throw error;
  const { code, message, why, next } = error;
  const parts = { ...(why && { why }), ...(next && { next }), cause: error };
  return misuse(code, `${label}: ${message}`, parts);
}
