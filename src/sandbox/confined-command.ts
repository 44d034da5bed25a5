import { dirname } from 'node:path';

/** A program that parses what a hostile guest sends, and all that it needs. All paths are absolute. */
export interface ConfinedProgram {
  readonly program: string;
  readonly args: readonly string[];
  /** Files and directories that it reads, in addition to the libraries of the host. */
  readonly readable: readonly string[];
  /** Files and directories that it also writes. */
  readonly writable: readonly string[];
  /** Device files, in addition to null, zero, full, random and urandom; missing ones are left out. */
  readonly devices: readonly string[];
  /** Whether it uses the network of the host. */
  readonly network: boolean;
  /** The directory that it sees as /etc; undefined: it has none. */
  readonly etc?: string;
}

/** How a program is confined. */
export interface Confinement {
  /** The caller is root: the program loses root's capabilities. */
  readonly isRoot: boolean;
  /** The user and group of the program; undefined: those of the caller. */
  readonly user: number | undefined;
  /** Supplementary groups of that user. */
  readonly groups: readonly number[];
  /** The path of bwrap(1); undefined: namespaces cannot be used. */
  readonly bubblewrap: string | undefined;
}

/** The program that gives up privileges: setpriv(1). */
export const privilegeProgram = '/usr/bin/setpriv';

/** The program that blocks signals for the program that it becomes: env(1) of coreutils 8.31 or newer. */
const signalProgram = '/usr/bin/env';

/** What a service manager sends to all processes of a service: the supervisor alone acts on it, and shuts the guest down. */
const blockedSignals = 'HUP,INT,TERM';

/** The descriptor on which bwrap(1) reports the process of the program, and the first one that is passed on to it. */
export const reportDescriptor = 3;
export const firstPassedDescriptor = 4;

/** Where the libraries of the host are. */
const libraries = '/usr/lib';
/** Where the x86-64 ABI has the dynamic loader. */
const loader = '/usr/lib64';

/** Returns the argv of a confined program. The user of `confinement` owns or may access all its files. */
export function confinedCommand(confined: ConfinedProgram, confinement: Confinement): readonly string[] {
  return [
    ...[signalProgram, `--block-signal=${blockedSignals}`],
    ...(confinement.bubblewrap === undefined
      ? []
      : [confinement.bubblewrap, ...namespaceArguments(confined, confinement), '--']),
    ...privilegeArguments(confinement),
    confined.program,
    ...confined.args,
  ];
}

/**
 * Returns bwrap's arguments: a root of only these files, and own namespaces, in which no other process can be seen. The program
 * is process 1 there, so that nothing that it starts can outlive it.
 */
function namespaceArguments(confined: ConfinedProgram, { isRoot }: Confinement): readonly string[] {
  const readable = [confined.program, ...(isRoot ? [privilegeProgram] : []), ...confined.readable];
  const places = [...readable, ...confined.writable, libraries, loader];
  return [
    ...['--info-fd', String(reportDescriptor)],
    ...['--unshare-pid', '--as-pid-1', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...(confined.network ? [] : ['--unshare-net']),
    '--new-session',
    ...['--dev', '/dev'],
    ...parents(places).flatMap((path) => ['--perms', '0755', '--dir', path]),
    ...['--ro-bind', libraries, libraries, '--ro-bind-try', loader, loader],
    // every supported distribution has merged /usr
    ...['--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64'],
    ...(confined.etc === undefined ? [] : ['--ro-bind', confined.etc, '/etc']),
    ...readable.flatMap((path) => ['--ro-bind', path, path]),
    ...confined.writable.flatMap((path) => ['--bind', path, path]),
    ...confined.devices.flatMap((path) => ['--dev-bind-try', path, path]),
    ...['--remount-ro', '/', '--remount-ro', '/dev', '--chdir', '/'],
  ];
}

/** Returns the directories that lead to these paths, from above: bwrap would make some of them for root alone. */
function parents(paths: readonly string[]): readonly string[] {
  const found = new Set<string>();
  for (const path of paths)
    for (let parent = dirname(path); parent !== '/'; parent = dirname(parent)) found.add(parent);
  return [...found].sort();
}

/** Returns setpriv's arguments; none when bwrap has done all that is possible. */
function privilegeArguments({ isRoot, user, groups, bubblewrap }: Confinement): readonly string[] {
  if (!isRoot) return bubblewrap === undefined ? [privilegeProgram, '--no-new-privs'] : [];
  const id = String(user);
  return [
    privilegeProgram,
    ...(user === undefined ? [] : ['--reuid', id, '--regid', id]),
    ...(groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join(',')]),
    ...['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs'],
  ];
}
