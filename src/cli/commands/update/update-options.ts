import { misuse } from '../../../base/errors.ts';
import type { Context } from '../../framework/command.ts';
import { anyText, setting } from '../../framework/parameters.ts';

/** The source of the release for `update check`, `stage` and `apply`. */
export const fromFlag = setting(
  'URL|DIR|FILE',
  'Repository, bundle or release directory (default: the repository of `holdfast set`)',
  anyText,
);

/**
 * Returns the source that was given, or else the repository that is set for the machine.
 * @param action the subcommand, for the error.
 * @throws HoldfastError `usage` when there is neither.
 */
export async function updateSource(
  { machine }: Context,
  action: string,
  given: string | undefined,
): Promise<string> {
  const from = given ?? (await machine.configuration()).repository;
  if (from !== undefined) return from;
  throw misuse('usage', `\`update ${action}\` needs --from`, {
    why: `no repository is set for the machine '${machine.name}'`,
    next: 'name one, or set it once with `holdfast set --repository`',
  });
}
