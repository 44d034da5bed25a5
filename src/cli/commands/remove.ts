import { exists } from '../../base/files.ts';
import { lossOf, removeMachine } from '../../lifecycle/remove.ts';
import { defineCommand } from '../framework/command.ts';
import { toggle } from '../framework/parameters.ts';
import { confirm } from '../terminal/confirm.ts';

export const removeCommand = defineCommand({
  description:
    'Powers the machine off without a shutdown, and deletes its disk, keys and settings for good. Asks first. Does nothing when there is no such machine.',
  arguments: {},
  flags: { yes: toggle('Do not ask for confirmation') },
  examples: [
    ['holdfast remove --machine gateway-1', 'Ask, then power off a machine and delete all that it stored'],
    ['holdfast remove --yes', 'Remove it without a question, as in a script'],
  ],
  output: async () => (await import('../output/machines.ts')).removeOutput,
  async run({ flags, ...context }) {
    const { machine, progress, output } = context;
    if (!flags.yes && (await exists(machine.paths.directory))) await confirm(context, await lossOf(machine));
    const changed = await progress.step('Removing the machine', () => removeMachine(machine));
    output.result(
      { machine: machine.name, changed },
      changed ? `${machine.name} was removed` : `there was no machine '${machine.name}'`,
    );
  },
});
