import { updateContext } from '../../../update/context.ts';
import { previewUpdate } from '../../../update/preview.ts';
import { applyUpdate } from '../../../update/update.ts';
import { defineCommand } from '../../framework/command.ts';
import { toggle } from '../../framework/parameters.ts';
import { previewJson, previewText, resultJson, resultText } from './text.ts';
import { fromFlag, updateSource } from './update-options.ts';

export const updateApplyCommand = defineCommand({
  description:
    'Writes the newest release of the repository, or the given release, to the inactive slot, restarts the machine into it, checks it and commits it. A release that fails the check is rolled back. An update that was interrupted is resumed.',
  arguments: {},
  flags: {
    from: fromFlag,
    dryRun: toggle('Show what would be done and change nothing'),
    acceptDrift: toggle('Continue when local files hide changes of the release'),
  },
  examples: [
    ['holdfast update apply', 'Update from the repository of the machine'],
    ['holdfast update apply --from https://updates.example/', 'Update from another repository'],
    ['holdfast update apply --from ./release', 'Update to a release in a local directory'],
    ['holdfast update apply --dry-run', 'Show what would be done, and what prevents it'],
  ],
  output: async () => (await import('../../output/updates.ts')).updateApplyOutput,
  async run({ flags: { from: given, dryRun, acceptDrift }, ...context }) {
    const from = await updateSource(context, 'apply', given);
    const { name } = context.machine;
    if (dryRun) {
      const preview = await previewUpdate(updateContext(context), from);
      context.output.result(previewJson(name, 'apply', preview), previewText(preview));
    } else {
      const result = await applyUpdate(updateContext(context), from, acceptDrift);
      context.output.result(resultJson(name, 'apply', result), resultText('apply', result));
    }
  },
});
