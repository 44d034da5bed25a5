import { waitUntilReady } from '../../lifecycle/readiness.ts';
import { startMachine, stopMachine } from '../../supervisor/power.ts';
import { defineCommand } from '../framework/command.ts';
import { readyText } from './status/text.ts';

export const restartCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast restart', 'Restart the machine and wait until it is ready']],
  output: async () => (await import('../output/machines.ts')).startOutput,
  async run({ machine, progress, signal, output }) {
    await progress.step('Stopping the machine', () => stopMachine(machine, { signal }));
    await startMachine(machine);
    const boot = await waitUntilReady(machine, progress, signal);
    output.result(
      { machine: machine.name, state: 'running', boot, changed: true },
      readyText(machine.name, boot, true),
    );
  },
});
