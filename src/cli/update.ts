import { misuse } from '../base/errors.ts';
import { type Bytes, formatSize } from '../base/size.ts';
import { checkForUpdate, type UpdateCheck } from '../update/check.ts';
import type { Machine } from '../update/observe.ts';
import {
  applyUpdate,
  commitTrial,
  rollBack,
  stageUpdate,
  type UpdateResult,
  type UpdateStatus,
  updateStatus,
} from '../update/update.ts';
import { packageLines } from './release-diff.ts';
import { anyText, defineVerb, oneOf, required, setting } from './verb.ts';

const actions = ['check', 'stage', 'apply', 'status', 'commit', 'rollback'] as const;

export const verb = defineVerb({
  arguments: { action: required(actions.join('|'), 'what to do', oneOf(...actions)) },
  flags: { from: setting('URL|DIR|FILE', 'a repository, a bundle, or the folder of a release', anyText) },
  examples: [
    [
      'holdfast update apply --from https://updates.example/',
      'fetch, write, try, check and commit the newest',
    ],
    ['holdfast update apply --from ./release', 'the same with a release that is here'],
    [
      'holdfast update stage --from ./release',
      'write it into the slot that does not run; apply does the rest',
    ],
    ['holdfast update check --from https://updates.example/', 'say whether there is a newer release'],
    ['holdfast update status', 'show what each slot holds, and which is committed'],
    ['holdfast update rollback', 'go back to the release in the other slot'],
  ],
  async run({ arguments: { action }, flags: { from }, machine: name, layout, progress, signal, output }) {
    const machine: Machine = { layout, name, progress, signal };
    const takesRelease = action === 'check' || action === 'stage' || action === 'apply';
    if (takesRelease !== (from !== undefined)) {
      throw misuse('usage', `\`update ${action}\` ${takesRelease ? 'needs' : 'takes no'} --from`, {
        next: 'run `holdfast update --help`',
      });
    }
    if (action === 'check') {
      const check = await checkForUpdate(machine, from ?? '');
      output.result({ machine: name, ...check }, checkText(check));
      return;
    }
    if (action === 'status') {
      const status = await updateStatus(machine);
      output.result({ machine: name, ...status }, statusText(status));
      return;
    }
    const result = await work(action, machine, from ?? '');
    const changed = result === undefined ? action === 'rollback' : result.steps.length > 0;
    output.result({ machine: name, action, changed, ...result }, resultText(action, result));
  },
});

function work(
  action: Exclude<(typeof actions)[number], 'check' | 'status'>,
  machine: Machine,
  from: string,
): Promise<UpdateResult | undefined> {
  if (action === 'stage') return stageUpdate(machine, from);
  if (action === 'apply') return applyUpdate(machine, from);
  return action === 'commit' ? commitTrial(machine) : rollBack(machine);
}

function resultText(action: string, result: UpdateResult | undefined): string {
  if (result === undefined) return action === 'commit' ? 'no trial is under way' : 'the trial is called off';
  const { version, steps, written, road, received, detours } = result;
  const where = action === 'stage' ? 'is in the other slot' : 'runs and is committed';
  const lines = [
    steps.length === 0 && action !== 'stage' ? `${version} runs already` : `${version} ${where}`,
    ...(written > 0 ? [`written  ${formatSize(written)}`] : []),
    ...(road === undefined ? [] : [`fetched  ${formatSize(received ?? (0 as Bytes))} (${road})`]),
    ...(detours ?? []).map((detour) => `         not ${detour}`),
  ];
  return lines.join('\n');
}

function checkText({ running, ageDays, offered, isNewer, packages }: UpdateCheck): string {
  const lines = [
    `running  ${running}, ${ageDays} ${ageDays === 1 ? 'day' : 'days'} old`,
    `offered  ${offered}${isNewer ? ', newer' : ': nothing newer'}`,
  ];
  if (!isNewer) return lines.join('\n');
  if (packages === undefined) return [...lines, 'which packages differ is not known on this host'].join('\n');
  return [...lines, ...packageLines(packages).map((line) => `         ${line}`)].join('\n');
}

function statusText({ phase, committed, running, slots }: UpdateStatus): string {
  const line = (slot: 'A' | 'B') => {
    const marks = [running === slot && 'runs', committed === slot && 'committed'].filter((mark) => mark);
    return `slot ${slot}  ${slots[slot] ?? 'no release'}${marks.length > 0 ? `  (${marks.join(', ')})` : ''}`;
  };
  return [`state   ${phase}`, line('A'), line('B')].join('\n');
}
