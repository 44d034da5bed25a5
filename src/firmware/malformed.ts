import { failure, type HoldfastError } from '../base/errors.ts';

/** The one error of this directory: a variable store, or a variable in it, is not what the firmware would have written. */
export function malformed(why: string): HoldfastError {
  return failure('firmware.variables', 'the UEFI variable store cannot be used', {
    why,
    next: 'deploy the machine again, or put back its variables.fd from a backup',
  });
}
