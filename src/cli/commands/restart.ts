import { waitUntilReady } from '../../lifecycle/readiness.ts';
import { startMachine, stopMachine } from '../../supervisor/power.ts';
import { defineCommand } from '../framework/command.ts';
import { readyText } from './status/text.ts';

export const restartCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast restart', 'Restart the machine and wait until it is ready']],
  async run({ machine, layout, progress, signal, output }) {
    await progress.step('Stopping the machine', () => stopMachine(layout, machine, false, signal));
    await startMachine(layout, machine);
    const boot = await waitUntilReady(layout, machine, progress, signal);
    output.result({ machine, state: 'running', boot, changed: true }, readyText(machine, boot, true));
  },
});
