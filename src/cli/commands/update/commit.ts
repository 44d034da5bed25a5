import type { MachineName } from '../../../machine/paths.ts';
import { updateContext } from '../../../update/context.ts';
import { commitTrial } from '../../../update/update.ts';
import { defineCommand } from '../../framework/command.ts';
import { resultJson, resultText } from './text.ts';

export const updateCommitCommand = defineCommand({
  description:
    'Checks the release that is on trial and makes its slot the committed slot. Without a trial it does nothing.',
  arguments: {},
  flags: {},
  examples: [['holdfast update commit', 'Keep the release that is on trial']],
  output: async () => (await import('../../output/updates.ts')).updateCommitOutput,
  async run(context) {
    const { name } = context.machine;
    const result = await commitTrial(updateContext(context));
    const value = result ? resultJson(name, 'commit', result) : untouched(name);
    context.output.result(value, resultText('commit', result));
  },
});

/** Returns the result when there was no trial to commit. */
function untouched(machine: MachineName) {
  return { machine, action: 'commit', changed: false } as const;
}
