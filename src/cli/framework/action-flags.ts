import { misuse } from '../../base/errors.ts';

/**
 * For a verb whose actions take different flags.
 * @param taken the flags of the action. @param given every flag of the verb: whether it was given.
 * @throws HoldfastError `usage`, naming the first that the action does not take.
 */
export function checkFlags(
  command: string,
  taken: readonly string[],
  given: Readonly<Record<string, boolean>>,
): void {
  for (const [flag, isGiven] of Object.entries(given)) {
    if (!isGiven || taken.includes(flag)) continue;
    const [verb] = command.split(' ');
    throw misuse('usage', `\`${command}\` takes no ${flag}`, { next: `run \`holdfast ${verb} --help\`` });
  }
}
