import { waitUntilReady } from '../../lifecycle/readiness.ts';
import { startMachine } from '../../supervisor/power.ts';
import { defineCommand } from '../framework/command.ts';
import { readyText } from './status/text.ts';

export const startCommand = defineCommand({
  description: 'Does nothing when the machine is already running.',
  arguments: {},
  flags: {},
  examples: [['holdfast start', 'Start the machine and wait until it is ready']],
  output: async () => (await import('../output/machines.ts')).startOutput,
  async run({ machine, progress, signal, output }) {
    const changed = await startMachine(machine);
    const boot = await waitUntilReady(machine, progress, signal);
    output.result(
      { machine: machine.name, state: 'running', boot, changed },
      readyText(machine.name, boot, changed),
    );
  },
});
