import { waitUntilReady } from '../../lifecycle/readiness.ts';
import { powerState, startMachine, stopMachine } from '../../supervisor/power.ts';
import { defineCommand } from '../framework/command.ts';
import { asReleased } from './as-released.ts';
import { readyText } from './status/text.ts';

export const restartCommand = defineCommand({
  arguments: {},
  flags: { asReleased },
  examples: [
    ['holdfast restart', 'Restart the machine and wait until it is ready'],
    ['holdfast restart --as-released', 'Restart it without anything that it has kept, to examine it'],
  ],
  output: async () => (await import('../output/machines.ts')).startOutput,
  async run({ machine, flags, progress, signal, output }) {
    await progress.step('Stopping the machine', () => stopMachine(machine, { signal }));
    await startMachine(machine, { asReleased: flags.asReleased });
    const boot = await waitUntilReady(machine, progress, signal);
    output.result(
      { machine: machine.name, state: 'running', boot, changed: true },
      readyText(machine.name, boot, true, (await powerState(machine)).endsWith),
    );
  },
});
