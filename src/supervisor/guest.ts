import { failure, isFailure } from '../base/errors.ts';
import type { StartCommand } from '../channel/session.ts';
import { type HomeLayout, type MachineName, machineLayout } from '../machine/paths.ts';
import { startThrough } from './protocol/client.ts';
import { isOff } from './state.ts';

/**
 * Starts commands in a machine's guest. `exec` should cost little more than the command itself: what is only needed when
 * no supervisor answers is loaded then.
 * @throws HoldfastError `machine.none`, `machine.off`, `machine.not-ready`, and what `Session.start` throws.
 */
export function startIn(layout: HomeLayout, name: MachineName): StartCommand {
  const start = startThrough(machineLayout(layout, name).supervisorSocket);
  return async (argv, terminal) => {
    try {
      return await start(argv, terminal);
    } catch (error) {
      if (!isFailure(error, 'supervisor.absent')) throw error;
    }
    const { powerState } = await import('./power.ts');
    const power = await powerState(layout, name); // gives a machine that runs a new supervisor
    if (isOff(power)) {
      throw failure('machine.off', `the machine '${name}' is not running`, {
        why: power.state === 'failed' ? 'its processes ended without a shutdown' : 'it is shut down',
        next: 'run `holdfast start`',
      });
    }
    return start(argv, terminal);
  };
}
