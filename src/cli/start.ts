import { startMachine, waitUntilRunning } from '../machine/power.ts';
import { defineVerb } from './verb.ts';

export const verb = defineVerb({
  arguments: {},
  flags: {},
  examples: [['holdfast start', 'start the machine and wait until it is ready; no-op when it is']],
  async run({ machine, layout, progress, signal, output }) {
    const changed = await startMachine(layout, machine);
    await waitUntilRunning(layout, machine, progress, signal);
    output.result({ machine, state: 'running', changed }, `${machine} ${changed ? 'runs' : 'runs already'}`);
  },
});
