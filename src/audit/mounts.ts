import { z } from 'zod';
import type { Probe } from './guest-probe.ts';
import { lines, matching } from './guest-probe.ts';

/** A mount of the guest's first process (proc_pid_mountinfo(5)). */
export interface Mount {
  /** `major:minor`. */
  readonly device: string;
  /** What of the file system is seen: `/` unless it is a bind mount of a part. */
  readonly root: string;
  readonly target: string;
  /** Of this mount. */
  readonly options: readonly string[];
  /** Of its file system: all its mounts share them. */
  readonly fileSystemOptions: readonly string[];
  readonly type: string;
  readonly source: string;
}

const mount = matching(
  /^\d+ \d+ (\d+:\d+) (\S+) (\S+) (\S+)(?: [a-z_]+(?::\d+)?)* - (\S+) (\S+) (\S+)$/,
  ([device = '', root = '', target = '', options = '', type = '', source = '', more = '']): Mount => ({
    ...{ device, root, target, type, source },
    options: options.split(','),
    fileSystemOptions: more.split(','),
  }),
);

/** Oldest first: of two at one place, the later hides the earlier. */
export const mounts: Probe<readonly Mount[]> = {
  name: 'mounts',
  command: 'cat /proc/1/mountinfo',
  form: lines(mount).pipe(z.array(z.custom<Mount>()).min(1)),
};

/** The mount that is seen at a place; with a problem when there is none, or it hides another. */
export function mountAt(all: readonly Mount[], target: string): { found?: Mount; problems: string[] } {
  const here = all.filter((each) => each.target === target);
  const found = here.at(-1);
  if (!found) return { problems: [`nothing is mounted at ${target}`] };
  const problems = here.length > 1 ? [`${here.length} mounts lie over each other at ${target}`] : [];
  return { found, problems };
}

/** Those of `wanted` that a mount does not have. */
export function missingOptions({ target, options }: Mount, wanted: readonly string[]): string[] {
  return wanted.filter((option) => !options.includes(option)).map((option) => `${target} is not ${option}`);
}
