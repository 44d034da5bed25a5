import { checkForUpdate } from '../../../update/check.ts';
import { updateContext } from '../../../update/context.ts';
import { defineCommand } from '../../framework/command.ts';
import { checkText } from './text.ts';
import { fromFlag, updateSource } from './update-options.ts';

export const updateCheckCommand = defineCommand({
  arguments: {},
  flags: { from: fromFlag },
  examples: [
    ['holdfast update check', 'Ask the repository of the machine for a newer release'],
    ['holdfast update check --from https://updates.example/', 'Ask another repository'],
  ],
  output: async () => (await import('../../output/updates.ts')).updateCheckOutput,
  async run({ flags: { from: given }, ...context }) {
    const from = await updateSource(context, 'check', given);
    const check = await checkForUpdate(updateContext(context), from);
    const { running: runningVersion, offered: offeredVersion, ...others } = check;
    context.output.result(
      { machine: context.machine.name, runningVersion, offeredVersion, ...others },
      checkText(check),
    );
  },
});
