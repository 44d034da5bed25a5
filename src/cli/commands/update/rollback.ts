import type { MachineName } from '../../../machine/paths.ts';
import { updateContext } from '../../../update/context.ts';
import { rollBack } from '../../../update/update.ts';
import { defineCommand } from '../../framework/command.ts';
import { resultJson, resultText } from './text.ts';

export const updateRollbackCommand = defineCommand({
  arguments: {},
  flags: {},
  examples: [['holdfast update rollback', 'Return to the release in the other slot, or cancel a trial']],
  output: async () => (await import('../../output/updates.ts')).updateRollbackOutput,
  async run(context) {
    const { name } = context.machine;
    const result = await rollBack(updateContext(context));
    const value = result ? resultJson(name, 'rollback', result) : cancelled(name);
    context.output.result(value, resultText('rollback', result));
  },
});

/** Returns the result when a trial that had not begun was cancelled. */
function cancelled(machine: MachineName) {
  return { machine, action: 'rollback', changed: true } as const;
}
