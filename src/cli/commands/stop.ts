import { stopMachine } from '../../supervisor/power.ts';
import { defineCommand, toggle } from '../framework/command.ts';

export const stopCommand = defineCommand({
  arguments: {},
  flags: { force: toggle('Power off at once; unwritten data is lost') },
  examples: [
    ['holdfast stop', 'Shut down and wait until the machine is off, at most 90 seconds'],
    ['holdfast stop --force', 'Power off a machine that hangs'],
  ],
  async run({ machine, layout, flags, progress, signal, output }) {
    const changed = await progress.step('Stopping the machine', () =>
      stopMachine(layout, machine, flags.force, signal),
    );
    output.result(
      { machine, state: 'stopped', changed },
      `${machine} ${changed ? 'is off' : 'was already off'}`,
    );
  },
});
