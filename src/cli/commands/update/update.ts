import { misuse } from '../../../base/errors.ts';
import { readConfiguration } from '../../../machine/configuration.ts';
import { checkForUpdate } from '../../../update/check.ts';
import type { Machine } from '../../../update/observe.ts';
import { previewUpdate } from '../../../update/preview.ts';
import {
  applyUpdate,
  commitTrial,
  rollBack,
  stageUpdate,
  type UpdateResult,
  updateStatus,
} from '../../../update/update.ts';
import { checkFlags } from '../../framework/action-flags.ts';
import { anyText, defineVerb, oneOf, required, setting, toggle } from '../../framework/command.ts';
import { checkText, conflictJson, previewText, resultText, statusText } from './text.ts';

/** The flags that each action takes. */
const actions = {
  check: ['--from'],
  stage: ['--from', '--dry-run'],
  apply: ['--from', '--dry-run', '--accept-drift'],
  status: [],
  commit: [],
  rollback: [],
} as const satisfies Record<string, readonly string[]>;
type Action = keyof typeof actions;
const actionNames = Object.keys(actions) as Action[];

export const verb = defineVerb({
  arguments: { action: required(actionNames.join('|'), 'what to do', oneOf(...actionNames)) },
  flags: {
    from: setting(
      'URL|DIR|FILE',
      'a repository, a bundle, or the directory of a release; default: see `holdfast set --repository`',
      anyText,
    ),
    dryRun: toggle('with stage and apply: say what would be done, and do nothing'),
    acceptDrift: toggle('with apply: go on when files of the machine’s own hide what the release changes'),
  },
  examples: [
    [
      'holdfast update apply --from https://updates.example/',
      'fetch, write, try, check and commit the newest',
    ],
    ['holdfast update apply --from ./release', 'the same with a release that is here'],
    ['holdfast update apply --dry-run', 'say what would be done, and what stands against it'],
    [
      'holdfast update stage --from ./release',
      'write it into the slot that does not run; apply does the rest',
    ],
    ['holdfast update check --from https://updates.example/', 'say whether there is a newer release'],
    ['holdfast update status', 'show what each slot holds, and which is committed'],
    ['holdfast update rollback', 'go back to the release in the other slot'],
  ],
  async run({ arguments: { action }, flags, machine: name, layout, progress, signal, output }) {
    const machine: Machine = { layout, name, progress, signal };
    const { from: given, dryRun, acceptDrift } = flags;
    checkFlags(`update ${action}`, actions[action], {
      '--from': given !== undefined,
      '--dry-run': dryRun,
      '--accept-drift': acceptDrift,
    });
    if (action === 'status') {
      const status = await updateStatus(machine);
      output.result({ machine: name, ...status }, statusText(status));
      return;
    }
    if (action === 'commit' || action === 'rollback') {
      const result = await (action === 'commit' ? commitTrial(machine) : rollBack(machine));
      const changed = result === undefined ? action === 'rollback' : result.steps.length > 0;
      output.result({ machine: name, action, changed, ...result }, resultText(action, result));
      return;
    }
    const from = given ?? (await readConfiguration(layout, name)).repository;
    if (from === undefined) {
      throw misuse('usage', `\`update ${action}\` needs --from`, {
        why: `no repository is set for the machine '${name}'`,
        next: 'name one, or set it once with `holdfast set --repository`',
      });
    }
    if (action === 'check') {
      const check = await checkForUpdate(machine, from);
      output.result({ machine: name, ...check }, checkText(check));
    } else if (dryRun) {
      const preview = await previewUpdate(machine, from);
      const conflicts = preview.conflicts?.map(conflictJson);
      output.result({ machine: name, action, changed: false, ...preview, conflicts }, previewText(preview));
    } else {
      const result: UpdateResult =
        action === 'stage' ? await stageUpdate(machine, from) : await applyUpdate(machine, from, acceptDrift);
      const changed = result.steps.length > 0;
      output.result({ machine: name, action, changed, ...result }, resultText(action, result));
    }
  },
});
