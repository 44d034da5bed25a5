import { failure, type HoldfastError } from '../base/errors.ts';

/**
 * Returns the error for a variable store, or a variable in it, that the firmware would not have
 * written.
 */
export function malformed(why: string): HoldfastError {
  return failure('firmware.variables', 'cannot use the UEFI variable store', {
    why,
    next: 'restore its variables.fd from a backup, or deploy the machine again',
  });
}
