import { commandLineCodes } from './error-codes/command-line.ts';
import { guestCodes } from './error-codes/guest.ts';
import { machineCodes } from './error-codes/machine.ts';
import { releaseCodes } from './error-codes/release.ts';
import { trustCodes } from './error-codes/trust.ts';
import { updateCodes } from './error-codes/update.ts';

/** Every error code: `docs/reference/errors.md` is generated from it. A code is never reused for another error. */
export const errorCodes = {
  ...commandLineCodes,
  ...machineCodes,
  ...guestCodes,
  ...releaseCodes,
  ...updateCodes,
  ...trustCodes,
};

export type ErrorCode = keyof typeof errorCodes;

/** Returns true for an error code: codes from another process may be unknown. */
export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(errorCodes, text);
}
