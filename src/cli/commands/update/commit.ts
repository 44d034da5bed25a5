import { commitTrial } from '../../../update/update.ts';
import { defineCommand } from '../../framework/command.ts';
import { resultText } from './text.ts';
import { updatedMachine } from './update-options.ts';

export const updateCommitCommand = defineCommand({
  description:
    'Checks the release that is on trial and makes its slot the committed slot. Without a trial it does nothing.',
  arguments: {},
  flags: {},
  examples: [['holdfast update commit', 'Keep the release that is on trial']],
  async run(context) {
    const result = await commitTrial(updatedMachine(context));
    const changed = result !== undefined && result.steps.length > 0;
    context.output.result(
      { machine: context.machine, action: 'commit', changed, ...result },
      resultText('commit', result),
    );
  },
});
