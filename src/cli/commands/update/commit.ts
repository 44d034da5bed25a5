import { updateContext } from '../../../update/context.ts';
import { commitTrial } from '../../../update/update.ts';
import { defineCommand } from '../../framework/command.ts';
import { resultText } from './text.ts';

export const updateCommitCommand = defineCommand({
  description:
    'Checks the release that is on trial and makes its slot the committed slot. Without a trial it does nothing.',
  arguments: {},
  flags: {},
  examples: [['holdfast update commit', 'Keep the release that is on trial']],
  async run(context) {
    const result = await commitTrial(updateContext(context));
    const changed = result !== undefined && result.steps.length > 0;
    context.output.result(
      { machine: context.machine.name, action: 'commit', changed, ...result },
      resultText('commit', result),
    );
  },
});
