import { type HoldfastError, misuse } from '../../base/errors.ts';
import type { CommandDefinition } from './command.ts';
import { type FlagProblem, flagNames } from './flag-words.ts';
import { usageLine } from './help.ts';
import { suggestionFor } from './suggestion.ts';

/** @param path the words of the group that has these subcommands; empty: all commands. */
export function unknownCommand(
  path: readonly string[],
  word: string,
  subcommands: readonly string[],
): HoldfastError {
  const group = path.join(' ');
  const likely = suggestionFor(word, group === '' ? [...subcommands, 'help', '--version'] : subcommands);
  return misuse('usage', `unknown command '${[...path, word].join(' ')}'`, {
    ...(group !== '' && { why: `\`${group}\` has ${subcommands.join(', ')}` }),
    next: nextStep(group, likely && [...path, likely].join(' ')),
  });
}

/** @param path the words of the group whose subcommand is missing; empty: no command was given. */
export function missingCommand(path: readonly string[], subcommands: readonly string[]): HoldfastError {
  const group = path.join(' ');
  return misuse('usage', group === '' ? 'no command was given' : `'${group}' needs a subcommand`, {
    why: `${group === '' ? 'the commands are' : `\`${group}\` has`} ${subcommands.join(', ')}`,
    next: nextStep(group, undefined),
  });
}

/** @param name the command's whole name; empty: the command line has none. */
export function wrongFlag(
  name: string,
  { kind, flag }: FlagProblem,
  definition: Pick<CommandDefinition, 'arguments' | 'flags'> = { arguments: {}, flags: {} },
): HoldfastError {
  if (kind === 'no value') {
    return misuse('usage', `${flag} has no value`, {
      why: 'the flag is the last word',
      next: nextStep(name, undefined),
    });
  }
  const likely = kind === 'unknown' ? suggestionFor(flag, flagNames(definition.flags)) : undefined;
  const what = kind === 'unknown' ? `unknown flag '${flag}'` : `${flag} takes no value`;
  return misuse('usage', what, {
    ...(name !== '' && { why: `usage: ${usageLine(name, definition)}` }),
    next: nextStep(name, likely),
  });
}

/** Compares the number of operands with what the command takes. @throws HoldfastError `usage`. */
export function checkOperands(name: string, definition: CommandDefinition, count: number): void {
  const table = Object.values(definition.arguments);
  const missing = table.find(({ count: wanted }, index) => index >= count && wanted !== 'optional');
  const tooMany = count > table.length && table.at(-1)?.count !== 'rest';
  if (!missing && !tooMany) return;
  const what = missing
    ? `missing required argument ${missing.placeholder}`
    : `too many arguments for '${name}'`;
  throw misuse('usage', what, {
    why: `usage: ${usageLine(name, definition)}`,
    next: nextStep(name, undefined),
  });
}

function nextStep(name: string, likely: string | undefined): string {
  const help = `\`holdfast${name && ` ${name}`} --help\``;
  return likely === undefined
    ? `run ${help} to see what is accepted`
    : `did you mean ${likely}? ${help} lists all`;
}
