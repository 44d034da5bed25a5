import { type Bytes, formatSize } from '../../../base/size.ts';
import { showPath } from '../../../guest/overlay-path.ts';
import type { MachineName } from '../../../machine/paths.ts';
import type { UpdateCheck } from '../../../update/check.ts';
import { conflictKinds } from '../../../update/conflicts.ts';
import type { OverlayConflict } from '../../../update/overlay-conflicts.ts';
import type { UpdatePreview } from '../../../update/preview.ts';
import type { UpdateResult, UpdateStatus } from '../../../update/update.ts';
import { columns } from '../../terminal/columns.ts';
import { packageLines } from '../release/diff.ts';

export function resultText(
  action: 'stage' | 'apply' | 'commit' | 'rollback',
  result: UpdateResult | undefined,
): string {
  if (result === undefined)
    return action === 'commit' ? 'no trial is in progress' : 'the trial was cancelled';
  const { version, steps, written, runs, strategy, received, detours } = result;
  const isNew = steps.length > 0 && action !== 'stage';
  const where = isNew ? 'is running and committed' : runs ? 'is already running' : 'is in the inactive slot';
  const lines = [
    `${version} ${where}`,
    ...(written > 0 ? [`written  ${formatSize(written)}`] : []),
    ...(strategy === undefined ? [] : [`fetched  ${formatSize(received ?? (0 as Bytes))} (${strategy})`]),
    ...(detours ?? []).map((detour) => `         not ${detour}`),
  ];
  return lines.join('\n');
}

export function checkText({ running, ageDays, offered, isNewer, packages }: UpdateCheck): string {
  return [
    `running  ${running}, ${ageDays} ${ageDays === 1 ? 'day' : 'days'} old`,
    `offered  ${offered}${isNewer ? ', newer' : ': nothing newer'}`,
    ...(isNewer ? packageLines(packages).map((line) => `         ${line}`) : []),
  ].join('\n');
}

export function updateStatusText({ phase, committed, running, slots, digests }: UpdateStatus): string {
  // releases of an older version of Holdfast, or from one package lock, can have the same version
  const looksAlike = slots.A !== undefined && slots.A === slots.B && digests.A !== digests.B;
  const line = (slot: 'A' | 'B') => {
    const marks = [running === slot && 'active', committed === slot && 'committed'].filter((mark) => mark);
    const name = `${slots[slot] ?? 'no release'}${looksAlike ? ` ${digests[slot]?.slice(0, 12)}` : ''}`;
    return `slot ${slot}  ${name}${marks.length > 0 ? `  (${marks.join(', ')})` : ''}`;
  };
  const off = running === undefined ? ', and the machine is off' : '';
  return [`state   ${phase}${off}`, line('A'), line('B')].join('\n');
}

export function previewText({
  running,
  version,
  isThere,
  phase,
  fetch,
  packages,
  conflicts,
}: UpdatePreview): string {
  if (isThere) return `${version} is already running: ${whenThere[phase]}`;
  return [
    `running  ${running}`,
    `wanted   ${version}`,
    `fetch    ${fetchText(fetch)}`,
    ...packageLines(packages).map((line) => `         ${line}`),
    ...conflictLines(conflicts),
    'nothing was changed',
  ].join('\n');
}

/** The effect of an update to the running release. */
const whenThere: Readonly<Record<UpdatePreview['phase'], string>> = {
  committed: 'there is nothing to do',
  finalized: 'the pending trial of another release would be cancelled',
  trial: 'it would be checked and, if it passes, committed',
  degraded: 'it would be checked and, if it passes, committed instead of the release that does not come up',
};

function fetchText(fetch: UpdatePreview['fetch']): string {
  if (fetch === undefined) return 'nothing: the release is a local directory';
  const { strategy, bytes } = fetch;
  if (strategy === 'present') return 'nothing: the release is on this host';
  return `${bytes === undefined ? 'the blocks that this host lacks' : formatSize(bytes as Bytes)} (${strategy})`;
}

function conflictLines(conflicts: UpdatePreview['conflicts']): string[] {
  if (conflicts === undefined)
    return ['the machine is off: cannot check whether local files hide changes of the release'];
  if (conflicts.length === 0) return ['no local file hides a change of the release'];
  const rows = conflicts.map((each) => [showPath(each), conflictKinds[each.kind]]);
  return [
    '',
    columns(['PATH', 'CONFLICT'], rows),
    '',
    'restore files of the release with `holdfast drift --reset PATH`, or keep the local files with `holdfast update apply --accept-drift`',
  ];
}

/** Returns the result of a stage, update, commit or rollback as JSON. */
export function resultJson<Action extends string>(
  machine: MachineName,
  action: Action,
  { runs: isRunning, ...others }: UpdateResult,
) {
  return { machine, action, changed: others.steps.length > 0, isRunning, ...others };
}

/** Returns the preview of a stage or an update as JSON. */
export function previewJson<Action extends string>(
  machine: MachineName,
  action: Action,
  { running: runningVersion, conflicts, ...others }: UpdatePreview,
) {
  const unchanged = { changed: false } as const;
  return {
    machine,
    action,
    ...unchanged,
    runningVersion,
    ...others,
    conflicts: conflicts?.map(conflictJson),
  };
}

/** Returns a conflict as JSON. `path` and `base64` are as in `holdfast drift`. */
function conflictJson(conflict: OverlayConflict) {
  const { overlay, path, kind } = conflict;
  return { path: showPath(conflict), overlay, base64: Buffer.from(path, 'latin1').toString('base64'), kind };
}
