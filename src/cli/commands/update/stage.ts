import { updateContext } from '../../../update/context.ts';
import { stageUpdate } from '../../../update/update.ts';
import { defineCommand, toggle } from '../../framework/command.ts';
import { printPreview, printResult } from './result.ts';
import { fromFlag, updateSource } from './update-options.ts';

export const updateStageCommand = defineCommand({
  description:
    'Writes a release to the inactive slot while the machine continues to run its own. `holdfast update apply` does the rest.',
  arguments: {},
  flags: {
    from: fromFlag,
    dryRun: toggle('Show what would be done and change nothing'),
  },
  examples: [
    ['holdfast update stage', 'Write the newest release of the repository to the inactive slot'],
    ['holdfast update stage --from ./release', 'Write a release in a local directory'],
  ],
  async run({ flags: { from: given, dryRun }, ...context }) {
    const from = await updateSource(context, 'stage', given);
    if (dryRun) await printPreview(context, 'stage', from);
    else printResult(context, 'stage', await stageUpdate(updateContext(context), from));
  },
});
