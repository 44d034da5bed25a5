import { tpmStatus } from '../machine/tpm.ts';
import type { Context } from './verb.ts';

/** Prints whether the machine can use the host's TPM, and how that is. */
export async function showTpmStatus(
  { layout, machine, output }: Pick<Context, 'layout' | 'machine' | 'output'>,
  changed: boolean,
): Promise<void> {
  const { path, identity, problem } = await tpmStatus(layout, machine);
  const lines = [
    path === undefined ? `${machine} cannot use the host's TPM` : `${machine} can use the host's TPM ${path}`,
  ];
  if (identity)
    lines.push(`it is a ${identity.manufacturer} ${identity.model}, firmware ${identity.firmware}`);
  if (problem !== undefined) lines.push(`it does not answer at the moment: ${problem}`);
  const result = { machine, enabled: path !== undefined, path, identity, problem, changed };
  output.result(result, lines.join('\n'));
}
