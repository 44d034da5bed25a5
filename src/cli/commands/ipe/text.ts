import type * as z from 'zod';
import { chooseNextStart } from '../../../lifecycle/boot-options.ts';
import { type IpeState, ipeState } from '../../../lifecycle/ipe.ts';
import type { MachineName } from '../../../machine/paths.ts';
import type { Context } from '../../framework/command.ts';
import type { ipeOutput } from '../../output/security.ts';

/** Prints the running and the configured mode. */
export async function printIpe(
  { machine, output }: Pick<Context<z.input<typeof ipeOutput>>, 'machine' | 'output'>,
  changed: boolean,
): Promise<void> {
  const state = await ipeState(machine);
  const { configured, runs } = state;
  output.result(
    { machine: machine.name, configured, active: runs ?? null, changed },
    ipeText(machine.name, state),
  );
}

/** Sets the mode from the next start and prints the result. */
export async function setIpe(
  context: Context<z.input<typeof ipeOutput>>,
  mode: 'audit' | 'enforce',
): Promise<void> {
  await printIpe(context, await chooseNextStart(context.machine, { ipe: mode }));
}

const meanings = {
  audit: 'audit: programs that are not of the release run, and the journal logs them',
  enforce: 'enforce: only programs of the release and of signed volumes run',
  off: 'off, because the root is not verified',
} as const;

/** Returns the running mode and, where it differs, the configured one. */
export function ipeText(machine: MachineName, { configured, runs }: IpeState): string {
  if (runs === undefined)
    return `${machine} is not running: at its next start ipe is ${meanings[configured]}`;
  const now = `${machine}: ipe is ${meanings[runs]}`;
  if (runs === configured) return now;
  if (runs === 'off') return `${now}\nwith verity it is ${meanings[configured]}`;
  return `${now}\nafter the next restart it is ${meanings[configured]}; run \`holdfast restart\` to apply that now`;
}
