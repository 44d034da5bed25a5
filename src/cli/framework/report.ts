import { inspect, styleText } from 'node:util';
import { describe, type ExitCode, failure, HoldfastError, isSystemError } from '../../base/errors.ts';
import { isDebug } from '../../base/log.ts';
import { visibleJson, visibleLines } from '../../base/visible.ts';
import { nameMachine } from '../../machine/hints.ts';

/** What to do about errors of the operating system that any command can meet. */
const systemErrors = [
  {
    errno: 'ENOSPC',
    code: 'system.ENOSPC',
    what: 'no space is left on the disk',
    next: 'free some space and try again',
  },
  {
    errno: 'EACCES',
    code: 'system.EACCES',
    what: 'access was denied',
    next: 'run as the user who owns HOLDFAST_HOME',
  },
  {
    errno: 'EROFS',
    code: 'system.EROFS',
    what: 'the file system is read-only',
    next: 'set HOLDFAST_HOME to a directory that can be written',
  },
  {
    errno: 'ENOTDIR',
    code: 'system.ENOTDIR',
    what: 'a part of a path is not a directory',
    next: 'set HOLDFAST_HOME to a directory',
  },
  {
    errno: 'EPERM',
    code: 'system.EPERM',
    what: 'the operating system does not permit the operation',
    next: 'run as the user who owns HOLDFAST_HOME, and check the file attributes that `lsattr` prints',
  },
] as const;

/**
 * Prints an error on standard error and returns the exit code. As text, three lines: what failed, why, what
 * to do; with `json` one line: `{"errors":[{"code","message","why","next"}]}`, always a list, as several
 * values can be wrong at once.
 * @param machine the machine of the command line, which its remedies name.
 */
export function report(
  error: unknown,
  stream: NodeJS.WritableStream,
  json: boolean,
  machine?: string,
): ExitCode {
  const errors = errorsOf(error).map((each) => withMachine(explained(each), machine));
  if (json) {
    const list = errors.map(({ code, message, why, next }) => ({ code, message, why, next }));
    stream.write(`${visibleJson(JSON.stringify({ errors: list }))}\n`);
  } else {
    for (const each of errors) stream.write(lines(each, stream));
  }
  if (isDebug('cli')) for (const each of errors) stream.write(`${visibleLines(stackOf(each))}\n`);
  return errors.some(({ exitCode }) => exitCode === 1) ? 1 : 2;
}

/**
 * Returns the errors of a command line, several of whose values can be wrong at once. An AggregateError of
 * Node is one error.
 */
function errorsOf(error: unknown): readonly unknown[] {
  const isList =
    error instanceof AggregateError && error.errors.every((each) => each instanceof HoldfastError);
  return isList ? error.errors : [error];
}

/** Returns anything thrown as an error with a remedy. */
function explained(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const known = systemErrors.find(({ errno }) => isSystemError(error, errno));
  if (known) {
    const { code, what, next } = known;
    return failure(code, what, { why: describe(error), next, cause: error });
  }
  return failure('internal', 'internal error', {
    why: describe(error),
    next: 'run the command again with --debug, and report its output as a defect',
    cause: error,
  });
}

/** Returns an error whose texts name the machine in their command lines. */
export function withMachine(error: HoldfastError, machine: string | undefined): HoldfastError {
  if (machine === undefined || machine === 'default') return error;
  const { code, exitCode, message, why, next } = error;
  return new HoldfastError(code, exitCode, nameMachine(message, machine), {
    ...(why && { why: nameMachine(why, machine) }),
    ...(next && { next: nameMachine(next, machine) }),
    cause: error,
  });
}

function lines({ message, why, next }: HoldfastError, stream: NodeJS.WritableStream): string {
  // errors quote files and guests; styleText respects NO_COLOR, FORCE_COLOR and whether the stream is a terminal
  const parts = [`${styleText(['red', 'bold'], 'error:', { stream })} ${visibleLines(message)}`];
  if (why) parts.push(`  why:  ${visibleLines(why)}`);
  if (next) parts.push(`  next: ${visibleLines(next)}`);
  return `${parts.join('\n')}\n`;
}

/** Returns the stack of an error and of all its causes: `inspect` prints them, and one that contains itself once. */
function stackOf(error: HoldfastError): string {
  return inspect(error, { depth: 8 });
}
