import { runToEnd } from '../channel/run.ts';
import { type IpeMode, type RunningIpe, readIpe } from '../guest/ipe.ts';
import { readConfiguration } from '../machine/configuration.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { powerState } from '../supervisor/power.ts';
import { startThrough } from '../supervisor/protocol/client.ts';

export interface IpeState {
  /** What the next start does. */
  readonly configured: IpeMode;
  /** What the guest's kernel does; undefined while it is not running. */
  readonly runs: RunningIpe | undefined;
}

/**
 * How a machine's integrity policy is put in force, now and at the next start.
 * @throws HoldfastError `machine.none`, and what `readIpe` throws.
 */
export async function ipeState(layout: HomeLayout, name: MachineName): Promise<IpeState> {
  const { ipe } = await readConfiguration(layout, name);
  const { state } = await powerState(layout, name);
  if (state !== 'running') return { configured: ipe, runs: undefined };
  const start = startThrough(machineLayout(layout, name).supervisorSocket);
  const runs = await readIpe({ run: (argv, options) => runToEnd(start, argv, options) });
  return { configured: ipe, runs };
}
