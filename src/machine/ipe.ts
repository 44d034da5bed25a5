import { withLock } from '../base/lock.ts';
import { runToEnd } from '../channel/run.ts';
import { type IpeMode, type RunningIpe, readIpe } from '../guest/ipe.ts';
import { startThrough } from './client.ts';
import { readConfiguration, writeConfiguration } from './configuration.ts';
import { type HomeLayout, type MachineName, machineLayout } from './home.ts';
import { powerState } from './power.ts';

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

/**
 * Chooses what a machine does from its next start on. Not before: the initrd gives up the right to change it, so that
 * nobody in the guest can, and neither can we.
 * @returns false when it was so already.
 * @throws HoldfastError `machine.none`, `lock.held`.
 */
export async function switchIpe(layout: HomeLayout, name: MachineName, ipe: IpeMode): Promise<boolean> {
  const files = machineLayout(layout, name);
  await readConfiguration(layout, name);
  return withLock(files.lock, 'ipe', async () => {
    const configuration = await readConfiguration(layout, name);
    if (configuration.ipe === ipe) return false;
    await writeConfiguration(files.configuration, { ...configuration, ipe });
    return true;
  });
}
