import type { ErrorCode } from './error-codes.ts';

/** Exit codes every verb uses: done, failed, wrong usage or configuration. */
export type ExitCode = 0 | 1 | 2;

export interface ErrorParts {
  /** Why it failed: one line. */
  readonly why?: string;
  /** What to do next: one line. */
  readonly next?: string;
  readonly cause?: unknown;
}

/**
 * An error that a person reads: what failed (`message`), why, what to do next.
 * `code` is stable and meant for scripts (`--json` prints it).
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

/** Something could not be done: exit code 1. */
export function failure(code: ErrorCode, what: string, parts?: ErrorParts): HoldfastError {
  return new HoldfastError(code, 1, what, parts);
}

/** The user asked for something that cannot be right: exit code 2. */
export function misuse(code: ErrorCode, what: string, parts?: ErrorParts): HoldfastError {
  return new HoldfastError(code, 2, what, parts);
}

/** True for a HoldfastError with one of these codes. */
export function isFailure(error: unknown, ...codes: readonly ErrorCode[]): error is HoldfastError {
  return error instanceof HoldfastError && codes.includes(error.code);
}

/** The text of whatever was thrown, in one line. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}

/** True for a Node system error with this code, such as `ENOENT`. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
