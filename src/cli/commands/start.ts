import { waitUntilReady } from '../../lifecycle/readiness.ts';
import { startMachine } from '../../supervisor/power.ts';
import { defineCommand } from '../framework/command.ts';
import { readyText } from './status/text.ts';

export const startCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast start', 'Start the machine and wait until it is ready']],
  async run({ machine, layout, progress, signal, output }) {
    const changed = await startMachine(layout, machine);
    const boot = await waitUntilReady(layout, machine, progress, signal);
    output.result({ machine, state: 'running', boot, changed }, readyText(machine, boot, changed));
  },
});
