import type { Progress } from '../base/progress.ts';
import { waitUntilReady } from '../lifecycle/readiness.ts';
import { chooseAsReleased, isAsReleased } from '../machine/as-released.ts';
import type { Machine } from '../machine/machine.ts';
import { powerState, startMachine, stopMachine } from '../supervisor/power.ts';
import { isOff } from '../supervisor/state.ts';

interface Occasion {
  readonly machine: Machine;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Does `work` while the machine runs as released. Afterwards, also when it failed or was interrupted, the machine runs as usual
 * again, or is off, as it was before. A machine that already runs as released is left so.
 * @throws HoldfastError those of `startMachine`, `stopMachine` and `waitUntilReady`.
 */
export async function whileAsReleased<T>(occasion: Occasion, work: () => Promise<T>): Promise<T> {
  const { machine, progress, signal } = occasion;
  const { secrets } = machine.paths;
  const wasOn = !isOff(await powerState(machine));
  if (wasOn && (await isAsReleased(secrets))) return work();
  const stop = (until: AbortSignal) =>
    progress.step('Stopping the machine', () => stopMachine(machine, { signal: until }));
  if (wasOn) await stop(signal);
  await startMachine(machine, { asReleased: true });
  try {
    await waitUntilReady(machine, progress, signal);
    return await work();
  } finally {
    const { signal: never } = new AbortController();
    await stop(never);
    if (wasOn) {
      await startMachine(machine);
      await waitUntilReady(machine, progress, signal);
    } else await machine.locked('audit', () => chooseAsReleased(secrets, false));
  }
}
