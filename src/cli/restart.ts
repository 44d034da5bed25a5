import { startMachine, stopMachine, waitUntilRunning } from '../machine/power.ts';
import { defineVerb } from './verb.ts';

export const verb = defineVerb({
  arguments: {},
  flags: {},
  examples: [['holdfast restart', 'shut the machine down if it runs, start it, and wait until it is ready']],
  async run({ machine, layout, progress, signal, output }) {
    await progress.step('Stopping the machine', () => stopMachine(layout, machine, false, signal));
    await startMachine(layout, machine);
    await waitUntilRunning(layout, machine, progress, signal);
    output.result({ machine, state: 'running', changed: true }, `${machine} runs`);
  },
});
