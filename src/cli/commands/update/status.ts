import { updateContext } from '../../../update/context.ts';
import { updateStatus } from '../../../update/update.ts';
import { defineCommand } from '../../framework/command.ts';
import { updateStatusText } from './text.ts';

export const updateStatusCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast update status', 'Show the release in each slot, and which slot is committed']],
  async run(context) {
    const status = await updateStatus(updateContext(context));
    context.output.result({ machine: context.machine.name, ...status }, updateStatusText(status));
  },
});
