import { removeMachine } from '../../lifecycle/remove.ts';
import { defineCommand } from '../framework/command.ts';

export const removeCommand = defineCommand({
  description: 'Does nothing when there is no such machine.',
  arguments: {},
  flags: {},
  examples: [
    [
      'holdfast remove --machine gateway-1',
      'Power off a machine and delete its disk, keys and settings for good',
    ],
  ],
  output: async () => (await import('../output/machines.ts')).removeOutput,
  async run({ machine, progress, output }) {
    const changed = await progress.step('Removing the machine', () => removeMachine(machine));
    output.result(
      { machine: machine.name, changed },
      changed ? `${machine.name} was removed` : `there was no machine '${machine.name}'`,
    );
  },
});
