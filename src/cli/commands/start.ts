import { waitUntilReady } from '../../lifecycle/readiness.ts';
import { powerState, startMachine } from '../../supervisor/power.ts';
import { defineCommand } from '../framework/command.ts';
import { asReleased } from './as-released.ts';
import { readyText } from './status/text.ts';

export const startCommand = defineCommand({
  description: 'Does nothing when the machine is already running.',
  arguments: {},
  flags: { asReleased },
  examples: [
    ['holdfast start', 'Start the machine and wait until it is ready'],
    ['holdfast start --as-released', 'Start it without anything that it has kept, to examine it'],
  ],
  output: async () => (await import('../output/machines.ts')).startOutput,
  async run({ machine, flags, progress, signal, output }) {
    const changed = await startMachine(machine, { asReleased: flags.asReleased });
    const boot = await waitUntilReady(machine, progress, signal);
    output.result(
      { machine: machine.name, state: 'running', boot, changed },
      readyText(machine.name, boot, changed, (await powerState(machine)).endsWith),
    );
  },
});
