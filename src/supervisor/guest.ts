import { failure, isFailure } from '../base/errors.ts';
import type { ChannelName } from '../channel/channels.ts';
import type { Guest } from '../channel/guest.ts';
import { guestThrough } from '../channel/run.ts';
import type { Machine } from '../machine/machine.ts';
import { startThrough } from './protocol/client.ts';
import { isOff } from './state.ts';

/**
 * Returns the guest of a machine over a channel: `management` for the host's own questions and changes, `user` for a user's
 * commands. Commands go through the machine's supervisor; when that has died, the machine gets a new one
 * first. `exec` should cost little more than its command, so the code for that case is loaded only then.
 * @throws HoldfastError from each command: `machine.none`, `machine.off`, `machine.not-ready`, and those of `Guest`.
 */
export function guestOf(machine: Machine, channel: ChannelName = 'management'): Guest {
  const start = startThrough(machine.paths.supervisorSocket, channel);
  return guestThrough(async (argv, terminal) => {
    try {
      return await start(argv, terminal);
    } catch (error) {
      if (!isFailure(error, 'supervisor.absent')) throw error;
    }
    const { powerState } = await import('./power.ts');
    const power = await powerState(machine);
    if (isOff(power)) {
      throw failure('machine.off', `the machine '${machine.name}' is not running`, {
        why: power.state === 'failed' ? 'its processes ended without a shutdown' : 'it is shut down',
        next: 'run `holdfast start`',
      });
    }
    return start(argv, terminal);
  });
}
