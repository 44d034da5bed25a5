import { updateContext } from '../../../update/context.ts';
import { rollBack } from '../../../update/update.ts';
import { defineCommand } from '../../framework/command.ts';
import { resultText } from './text.ts';

export const updateRollbackCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast update rollback', 'Return to the release in the other slot, or cancel a trial']],
  async run(context) {
    const result = await rollBack(updateContext(context));
    const changed = result === undefined || result.steps.length > 0;
    context.output.result(
      { machine: context.machine.name, action: 'rollback', changed, ...result },
      resultText('rollback', result),
    );
  },
});
