import { forgetKeys } from '../../../machine/data-keys.ts';
import type { Output } from '../../framework/output.ts';

/**
 * Deletes a machine's keys after its recovery key was printed, and only if the output was read: from then on the key exists
 * nowhere else.
 * @throws what `Output.printed` does; the signal's reason.
 */
export async function forgetShown(
  secrets: string,
  output: Output<never>,
  signal: AbortSignal,
): Promise<void> {
  await output.printed();
  signal.throwIfAborted();
  await forgetKeys(secrets);
}
