import { misuse } from '../../../base/errors.ts';
import { readConfiguration } from '../../../machine/configuration.ts';
import type { Machine } from '../../../update/observe.ts';
import { anyText, type Context, setting } from '../../framework/command.ts';

/** Where `update check`, `stage` and `apply` take the release from. */
export const fromFlag = setting(
  'URL|DIR|FILE',
  'Repository, bundle or release directory (default: the repository of `holdfast set`)',
  anyText,
);

/** The machine that the command line names, for an update. */
export function updatedMachine({ layout, machine, progress, signal }: Context): Machine {
  return { layout, name: machine, progress, signal };
}

/**
 * Returns the source that was given, or else the repository that is set for the machine.
 * @param action the subcommand, for the error.
 * @throws HoldfastError `usage` when there is neither.
 */
export async function updateSource(
  { layout, machine }: Context,
  action: string,
  given: string | undefined,
): Promise<string> {
  const from = given ?? (await readConfiguration(layout, machine)).repository;
  if (from !== undefined) return from;
  throw misuse('usage', `\`update ${action}\` needs --from`, {
    why: `no repository is set for the machine '${machine}'`,
    next: 'name one, or set it once with `holdfast set --repository`',
  });
}
