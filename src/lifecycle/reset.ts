import { failure } from '../base/errors.ts';
import type { OverlayPath } from '../guest/overlay-path.ts';
import type { Machine } from '../machine/machine.ts';
import { requestResetAtStart } from '../machine/requested-resets.ts';
import { powerState } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';

/**
 * Requests a reset of a machine that is off, without a list of what is lost: nothing can be asked.
 * @returns false when that was requested already.
 * @throws HoldfastError `machine.running` when it has been started meanwhile, `lock.held`, and those of `requestResetAtStart`.
 */
export function resetOff(machine: Machine, place: OverlayPath): Promise<boolean> {
  return machine.locked('drift', async () => {
    if (isOff(await powerState(machine))) return requestResetAtStart(machine.paths.secrets, place);
    throw failure('machine.running', `the machine '${machine.name}' has been started`, {
      why: 'the reset was requested for a machine that is off',
      next: 'run the command again',
    });
  });
}
