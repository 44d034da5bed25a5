import { tpmStatus } from '../../../lifecycle/host-tpm.ts';
import type { Context } from '../../framework/command.ts';

/** Returns whether the machine can use the host's TPM, and the state of that TPM, as JSON and as text. */
export async function hostTpmStatus({ machine }: Pick<Context, 'machine'>) {
  const { path, identity, problem } = await tpmStatus(machine);
  const lines = [
    path === undefined
      ? `${machine.name} cannot use the host's TPM`
      : `${machine.name} can use the host's TPM ${path}`,
  ];
  if (identity)
    lines.push(`it is a ${identity.manufacturer} ${identity.model}, firmware ${identity.firmware}`);
  if (problem !== undefined) lines.push(`it does not answer: ${problem}`);
  return {
    value: { machine: machine.name, enabled: path !== undefined, device: path, identity, problem },
    text: lines.join('\n'),
  };
}
