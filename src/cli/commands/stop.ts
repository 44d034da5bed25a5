import { stopMachine } from '../../supervisor/power.ts';
import { defineCommand } from '../framework/command.ts';
import { toggle } from '../framework/parameters.ts';

export const stopCommand = defineCommand({
  description: 'Does nothing when the machine is already off.',
  arguments: {},
  flags: { force: toggle('Power off at once; unwritten data is lost') },
  examples: [
    ['holdfast stop', 'Shut down and wait until the machine is off, at most 90 seconds'],
    ['holdfast stop --force', 'Power off a machine that hangs'],
  ],
  output: async () => (await import('../output/machines.ts')).stopOutput,
  async run({ machine, flags, progress, signal, output }) {
    const changed = await progress.step('Stopping the machine', () =>
      stopMachine(machine, { force: flags.force, signal }),
    );
    output.result(
      { machine: machine.name, state: 'stopped', changed },
      `${machine.name} ${changed ? 'is off' : 'was already off'}`,
    );
  },
});
