import type * as z from 'zod';
import { type Bytes, formatSize } from '../../../base/size.ts';
import { bounds } from '../../../channel/bounds.ts';
import type { LayerEntry } from '../../../guest/drift.ts';
import type { MachineDrift } from '../../../guest/drift-report.ts';
import { isWithin, showBytes, showPath } from '../../../guest/overlay-path.ts';
import type { driftOutput } from '../../output/guest.ts';
import { columns } from '../../terminal/columns.ts';

/**
 * Returns one line for each difference, up to a limit: beyond it they are counted. An added directory has one line, with the number
 * of entries in it.
 */
export function driftText(drift: readonly MachineDrift[]): string {
  const rows: (readonly string[])[] = [];
  let [length, others] = [0, 0];
  let directory: { readonly top: MachineDrift; row: string[] | undefined; below: number } | undefined;
  const close = () => {
    if (directory?.row && directory.below > 0)
      directory.row[2] = `${detail(directory.top)}, with ${directory.below} more in it${mark(directory.top)}`;
  };
  for (const each of drift) {
    if (directory && each.overlay === directory.top.overlay && isWithin(each.path, directory.top.path)) {
      directory.below++;
      continue;
    }
    close();
    const isShown = rows.length < bounds.driftText.count && length < bounds.driftText.bytes;
    const row = isShown ? [each.change, showPath(each), detail(each) + mark(each)] : undefined;
    directory =
      each.change === 'added' && each.now?.type === 'directory' ? { top: each, row, below: 0 } : undefined;
    if (row) {
      rows.push(row);
      length += row.join('').length;
    } else others++;
  }
  close();
  if (rows.length === 0) return '';
  const text = columns(['CHANGE', 'PATH', 'WHAT'], rows);
  return others > 0 ? `${text}\n… and ${others} more: --json prints all` : text;
}

function mark({ pending }: MachineDrift): string {
  return pending ? ' (reset at the next start)' : '';
}

function detail({ change, released, now, hidden }: MachineDrift): string {
  if (now === undefined) return released === undefined ? 'not in this release' : describe(released);
  switch (change) {
    case 'opaque':
      return `recreated; hides ${hidden} of the release`;
    case 'attributes':
      return `${attributes(released)} → ${attributes(now)}`;
    case 'copied':
      return 'unchanged copy of the release';
    case 'added':
      return describe(now);
    default:
      return `${describe(released)} → ${describe(now)}`;
  }
}

function describe(entry: LayerEntry | undefined): string {
  if (entry?.type === 'link') return `link to ${showBytes(entry.target)}`;
  if (entry?.type === 'file') return `file, ${formatSize(entry.size as Bytes)}`;
  return entry?.type ?? 'nothing';
}

function attributes(entry: LayerEntry | undefined): string {
  return entry ? `${octal(entry.mode)} ${entry.user}:${entry.group}` : 'nothing';
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** Returns the JSON form. `path` is as users type it; `base64` has the exact bytes below the overlay's directory. */
export function driftJson(each: MachineDrift): z.input<typeof driftOutput>['drift'][number] {
  const { overlay, path, change, released, now, hidden, pending } = each;
  return {
    path: showPath(each),
    overlay,
    base64: Buffer.from(path, 'latin1').toString('base64'),
    change,
    ...(released && { released: entryJson(released) }),
    ...(now && { now: entryJson(now) }),
    ...(change === 'opaque' && { hidden }),
    pending,
  };
}

function entryJson({ type, mode, user, group, size, target }: LayerEntry) {
  return {
    ...{ type, mode: octal(mode), user, group },
    ...(type === 'file' && { size }),
    ...(type === 'link' && { target: Buffer.from(target, 'latin1').toString('base64') }),
  };
}
