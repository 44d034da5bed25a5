import { updateContext } from '../../../update/context.ts';
import { previewUpdate } from '../../../update/preview.ts';
import { stageUpdate } from '../../../update/update.ts';
import { defineCommand } from '../../framework/command.ts';
import { toggle } from '../../framework/parameters.ts';
import { previewJson, previewText, resultJson, resultText } from './text.ts';
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
  output: async () => (await import('../../output/updates.ts')).updateStageOutput,
  async run({ flags: { from: given, dryRun }, ...context }) {
    const from = await updateSource(context, 'stage', given);
    const { name } = context.machine;
    if (dryRun) {
      const preview = await previewUpdate(updateContext(context), from);
      context.output.result(previewJson(name, 'stage', preview), previewText(preview));
    } else {
      const result = await stageUpdate(updateContext(context), from);
      context.output.result(resultJson(name, 'stage', result), resultText('stage', result));
    }
  },
});
