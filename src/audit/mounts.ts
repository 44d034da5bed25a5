import * as z from 'zod';
import type { Probe } from './guest-probe.ts';
import { lines, matching } from './guest-probe.ts';

/** A mount of the guest's first process (proc_pid_mountinfo(5)). */
export interface Mount {
  /** `major:minor`. */
  readonly device: string;
  /** Visible part of the file system: `/` unless it is a bind mount of a part. */
  readonly root: string;
  readonly target: string;
  /** Options of this mount. */
  readonly options: readonly string[];
  /** Options of its file system, shared by all its mounts. */
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

/** Oldest first: of two mounts at one place, the later hides the earlier. */
export const mounts: Probe<readonly Mount[]> = {
  name: 'mounts',
  command: 'cat /proc/1/mountinfo',
  form: lines(mount).pipe(z.array(z.custom<Mount>()).min(1)),
};

/** Returns the visible mount at a place, and a problem when there is none, or when it hides another. */
export function mountAt(all: readonly Mount[], target: string): { found?: Mount; problems: string[] } {
  const here = all.filter((each) => each.target === target);
  const found = here.at(-1);
  if (!found) return { problems: [`nothing is mounted at ${target}`] };
  const problems = here.length > 1 ? [`${here.length} mounts lie over each other at ${target}`] : [];
  return { found, problems };
}

/** Returns the options of `wanted` that a mount lacks. */
export function missingOptions({ target, options }: Mount, wanted: readonly string[]): string[] {
  return wanted.filter((option) => !options.includes(option)).map((option) => `${target} is not ${option}`);
}

/** Mounts of the system: each place with the type of its file system. */
const ofSystem: readonly (readonly [RegExp, RegExp])[] = [
  [/^\/$/, /^erofs$/],
  [/^\/dev$/, /^devtmpfs$/],
  [/^\/dev\/(?:shm|hugepages|pts|mqueue)$/, /^(?:tmpfs|hugetlbfs|devpts|mqueue)$/],
  [/^\/proc$/, /^proc$/],
  [/^\/sys$/, /^sysfs$/],
  [/^\/sys\/kernel\/security$/, /^securityfs$/],
  [/^\/sys\/fs\/(?:cgroup|pstore|bpf)$/, /^(?:cgroup2|pstore|bpf)$/],
  [/^\/sys\/firmware\/efi\/efivars$/, /^efivarfs$/],
  [/^\/(?:run|tmp|run\/lock|run\/user\/\d+|run\/credentials\/[^/]+)$/, /^tmpfs$/],
  [/^\/run\/netns(?:\/[^/]+)?$/, /^(?:tmpfs|nsfs)$/],
  [/^\/(?:var|logs|var\/log)$/, /^(?:ext4|tmpfs)$/],
  [/^\/(?:etc|home|root)$/, /^overlay$/],
  // of a start as released
  [/^\/run\/holdfast\/(?:data|log)$/, /^(?:ext4|tmpfs)$/],
];

/** Places where users may mount: Data, and memory that no part of the system reads. */
const ofUsers =
  /^\/(?:var|tmp|run)\/(?!\.eflow|log(?:\/|$)|lib\/systemd|lock|user|systemd|holdfast|credentials|dbus|udev|sshd|netns).+$/;

/** Returns the mounts that lie over something of the system: over the root, a file system of the kernel, or a single file. */
export function misplaced(all: readonly Mount[]): string[] {
  return all.flatMap(({ target, type, root }, index) => {
    if (ofUsers.test(target)) return [];
    if (!ofSystem.some(([place, kind]) => place.test(target) && kind.test(type)))
      return [`${type} is mounted over ${target}`];
    const isNamespace = type === 'nsfs' || target === '/run/netns';
    const isTwice = all.findIndex((each) => each.target === target) < index && !checkedElsewhere.test(target);
    if (isTwice && !isNamespace) return [`${type} is mounted over another mount at ${target}`];
    return root === '/' || isNamespace || checkedElsewhere.test(target)
      ? []
      : [`${root} of ${type} is mounted over ${target}`];
  });
}

/** Claims of their own judge what is mounted there. */
const checkedElsewhere = /^\/(?:etc|home|root|var|logs|var\/log)?$/;
