import { stopMachine } from '../../supervisor/power.ts';
import { defineCommand, toggle } from '../framework/command.ts';

export const stopCommand = defineCommand({
  arguments: {},
  flags: { force: toggle('end it at once; what it has not written is lost') },
  examples: [
    ['holdfast stop', 'shut the machine down and wait until it is off, at most 90 seconds'],
    ['holdfast stop --force', 'end a machine that hangs'],
  ],
  async run({ machine, layout, flags, progress, signal, output }) {
    const changed = await progress.step('Stopping the machine', () =>
      stopMachine(layout, machine, flags.force, signal),
    );
    output.result(
      { machine, state: 'stopped', changed },
      `${machine} ${changed ? 'is off' : 'was off already'}`,
    );
  },
});
