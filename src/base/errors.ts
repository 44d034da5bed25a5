import type { ErrorCode } from './error-codes.ts';

/** Exit codes of every command: success, failure, wrong usage or configuration. */
export type ExitCode = 0 | 1 | 2;

export interface ErrorParts {
  /** Why it failed: one line. */
  readonly why?: string;
  /** What to do next: one line. */
  readonly next?: string;
  readonly cause?: unknown;
}

/**
 * An error for users: what failed (`message`), why, what to do next. `code` is stable and meant for scripts
 * (`--json` prints it).
 */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly code: ErrorCode;
  readonly exitCode: Exclude<ExitCode, 0>;
  readonly why: string | undefined;
  readonly next: string | undefined;

  constructor(code: ErrorCode, exitCode: Exclude<ExitCode, 0>, what: string, parts: ErrorParts = {}) {
    super(what, { cause: parts.cause });
    this.code = code;
    this.exitCode = exitCode;
    this.why = parts.why;
    this.next = parts.next;
  }
}

/** Returns an error for something that could not be done: exit code 1. */
export function failure(code: ErrorCode, what: string, parts?: ErrorParts): HoldfastError {
  return new HoldfastError(code, 1, what, parts);
}

/** Returns an error for a request that cannot be valid: exit code 2. */
export function misuse(code: ErrorCode, what: string, parts?: ErrorParts): HoldfastError {
  return new HoldfastError(code, 2, what, parts);
}

/** Returns true for a HoldfastError with one of these codes. */
export function isFailure(error: unknown, ...codes: readonly ErrorCode[]): error is HoldfastError {
  return error instanceof HoldfastError && codes.includes(error.code);
}

/** Returns true for a Node system error with this code, such as `ENOENT`. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/**
 * Returns one line for whatever was thrown: what failed and why. An error without `why` is explained by its
 * causes, an AggregateError by its errors. Never empty.
 * @param options `next`: appends the remedy in parentheses, for a log.
 */
export function describe(error: unknown, options: { readonly next?: boolean } = {}): string {
  const text = describeAfter([], error);
  const next = options.next && error instanceof HoldfastError ? error.next : undefined;
  return next ? `${text} (${next})` : text;
}

/** @param seen the errors that this one is a cause of: a cause can contain itself. */
function describeAfter(seen: readonly unknown[], error: unknown): string {
  if (!(error instanceof Error)) return firstLine(String(error)) || 'no reason was given';
  const parts = [firstLine(ownText(error))];
  for (const reason of seen.includes(error) ? [] : reasonsOf(error, [...seen, error])) {
    if (!parts.some((part) => part.includes(reason))) parts.push(reason);
  }
  return parts.filter((part) => part !== '').join(': ') || error.name;
}

/** Returns the message, with the code and the path of a system error, which the messages of sockets lack. */
function ownText(error: Error): string {
  const { code, path, issues }: Error & OtherParts = error;
  if (Array.isArray(issues)) return describeIssues(issues);
  if (error instanceof HoldfastError) return error.message;
  const parts = [error.message, code, path].filter((part) => typeof part === 'string');
  return parts.reduce((text, part) => (text.includes(part) ? text : text ? `${text} (${part})` : part), '');
}

function reasonsOf(error: Error, seen: readonly unknown[]): string[] {
  if (error instanceof HoldfastError && error.why) return [firstLine(error.why)];
  if (error instanceof AggregateError)
    return [[...new Set(error.errors.map((each) => describeAfter(seen, each)))].join('; ')];
  const { cause } = error;
  return cause === undefined || seen.includes(cause) ? [] : [describeAfter(seen, cause)];
}

/** Fields of the errors of Node and zod. */
interface OtherParts {
  readonly code?: unknown;
  readonly path?: unknown;
  readonly issues?: unknown;
}

/** A file of another format has dozens of issues. */
const issueLimit = 3;

/** Returns zod's issues in one line: its message is JSON of many lines. */
function describeIssues(issues: readonly { path?: unknown; message?: unknown }[]): string {
  const texts = issues.slice(0, issueLimit).map(({ path, message }) => {
    const place = Array.isArray(path) ? path.map(String).join('.') : '';
    return place === '' ? String(message) : `${place}: ${message}`;
  });
  const others = issues.length - texts.length;
  return [...texts, ...(others > 0 ? [`and ${others} more`] : [])].join('; ');
}

function firstLine(text: string): string {
  return text.trimStart().split('\n', 1)[0]?.trimEnd() ?? '';
}
