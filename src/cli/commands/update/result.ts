import { updateContext } from '../../../update/context.ts';
import { previewUpdate } from '../../../update/preview.ts';
import type { UpdateResult } from '../../../update/update.ts';
import type { Context } from '../../framework/command.ts';
import { conflictJson, previewText, resultText } from './text.ts';

/** Prints what a stage or an update would do. */
export async function printPreview(context: Context, action: 'stage' | 'apply', from: string): Promise<void> {
  const preview = await previewUpdate(updateContext(context), from);
  const conflicts = preview.conflicts?.map(conflictJson);
  const { machine, output } = context;
  output.result(
    { machine: machine.name, action, changed: false, ...preview, conflicts },
    previewText(preview),
  );
}

/** Prints what a stage or an update did. */
export function printResult(
  { machine, output }: Context,
  action: 'stage' | 'apply',
  result: UpdateResult,
): void {
  const changed = result.steps.length > 0;
  output.result({ machine: machine.name, action, changed, ...result }, resultText(action, result));
}
