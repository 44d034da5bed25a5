import { updateContext } from '../../../update/context.ts';
import { updateStatus } from '../../../update/update.ts';
import { defineCommand } from '../../framework/command.ts';
import { updateStatusText } from './text.ts';

export const updateStatusCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast update status', 'Show the release in each slot, and which slot is committed']],
  output: async () => (await import('../../output/updates.ts')).updateStatusOutput,
  async run(context) {
    const status = await updateStatus(updateContext(context));
    const { committed: committedSlot, running: runningSlot, phase, slots, digests } = status;
    context.output.result(
      { machine: context.machine.name, phase, committedSlot, runningSlot, slots, digests },
      updateStatusText(status),
    );
  },
});
