import { systemRoot } from '../guest/system-root.ts';
import type { ReleasedEntry } from '../release/overlay-content.ts';
import { type Probe, textForm } from './guest-probe.ts';

/*
 * The parts of /etc that decide who may do what, and which programs, units and libraries the system uses. They are compared
 * with the signed list of the release, not with what the guest says was released.
 */

/** Files and directories, relative to /etc, with all that is in them. */
export const compared = {
  privileges: [
    ...['sudoers', 'sudoers.d', 'pam.d', 'pam.conf', 'security', 'nsswitch.conf', 'polkit-1', 'dbus-1'],
    ...['subuid', 'subgid', 'login.defs', 'doas.conf', 'at.allow', 'cron.allow'],
    // libraries of sudo(8), programs that the kernel starts for request_key(2), and that SSH's server starts (hosts_options(5))
    ...['sudo.conf', 'request-key.conf', 'request-key.d', 'hosts.allow', 'hosts.deny'],
  ],
  ssh: [
    'ssh/sshd_config',
    'ssh/sshd_config.d',
    'ssh/sshrc',
    'hosts.equiv',
    'shosts.equiv',
    'ssh/shosts.equiv',
  ],
  libraries: [
    ...['ld.so.preload', 'ld.so.conf', 'ld.so.conf.d', 'ld.so.cache', 'environment', 'environment.d'],
    // modules that libraries of the root load, in any program
    ...['ssl/openssl.cnf', 'gss', 'krb5.conf', 'krb5.conf.d'],
  ],
  systemd: ['systemd'],
  boot: [
    ...[
      'sysctl.conf',
      'sysctl.d',
      'modprobe.d',
      'modules-load.d',
      'modules',
      'udev',
      'tmpfiles.d',
      'binfmt.d',
    ],
    ...[
      'sysusers.d',
      'fstab',
      'crypttab',
      'rc.local',
      'crontab',
      'cron.d',
      'profile',
      'profile.d',
      'bash.bashrc',
    ],
    ...['kernel', 'containers/containers.conf', 'containers/containers.conf.d', 'alternatives'],
  ],
} as const;
export type Compared = keyof typeof compared;

/** An entry of /etc as the running system has it. */
export interface EtcEntry {
  readonly path: string;
  /** find(1), `%y`. */
  readonly type: string;
  readonly mode: number;
  readonly user: number;
  readonly group: number;
  /** Target of a link, or empty. */
  readonly target: string;
  /** SHA-256 of a file up to 4 MiB, in hexadecimal. */
  readonly digest: string;
}

const paths = Object.values(compared).flat();

/** Fields of an entry, each ended by NUL: a name may have any other byte, and so cannot pretend to be more than one. */
const fieldsOfEntry = 6;

/**
 * Parses the entries, an empty field, and the digests as sha256sum(1) prints them.
 * @throws RangeError.
 */
function parseEntries(text: string): EtcEntry[] {
  const fields = text.split('\0');
  const end = fields.findIndex((field, at) => at % fieldsOfEntry === 0 && field === '');
  if (end < 0 || fields.pop() !== '') throw new RangeError('it is truncated');
  const digests = new Map(fields.slice(end + 1).map(parseDigest));
  return Array.from({ length: end / fieldsOfEntry }, (_, index) => {
    const at = index * fieldsOfEntry;
    const [type = '', mode = '', user = '', group = '', path = '', target = ''] = fields.slice(
      at,
      at + fieldsOfEntry,
    );
    if (!/^[a-zA-Z]$/.test(type) || ![mode, user, group].every((number) => /^\d{1,10}$/.test(number)))
      throw new RangeError(`unexpected ${JSON.stringify(path.slice(0, 100))}`);
    return {
      ...{ type, path, target },
      mode: Number.parseInt(mode, 8),
      ...{ user: Number(user), group: Number(group) },
      digest: digests.get(path) ?? '',
    };
  });
}

function parseDigest(text: string): [path: string, digest: string] {
  const [, digest, path] = /^([0-9a-f]{64}) {2}(.+)$/s.exec(text) ?? [];
  if (digest === undefined || path === undefined)
    throw new RangeError(`unexpected ${JSON.stringify(text.slice(0, 100))}`);
  return [path, digest];
}

/** The running system's entries of these parts. */
export const etcFiles: Probe<readonly EtcEntry[]> = {
  name: 'etc-files',
  command: `cd ${systemRoot}/etc && set --
  for path in ${paths.join(' ')}; do { [ ! -e "$path" ] && [ ! -L "$path" ]; } || set -- "$@" "$path"; done
  find "$@" -printf '%y\\0%m\\0%U\\0%G\\0%p\\0%l\\0' && printf '\\0' &&
    find "$@" -type f -size -4096k -exec sha256sum --zero {} +`,
  form: textForm(parseEntries),
};

const kinds: Readonly<Record<string, ReleasedEntry['type']>> = { f: 'file', d: 'directory', l: 'link' };

/** A difference between the running system and the release. */
export interface EtcChange {
  readonly how: 'added' | 'changed' | 'removed';
  readonly path: string;
}

/** Returns how parts of the running system's /etc differ from the release's. */
export function etcChanges(
  part: Compared,
  running: readonly EtcEntry[],
  released: readonly ReleasedEntry[],
): EtcChange[] {
  const isIn = ({ path }: { readonly path: string }) =>
    compared[part].some((each) => path === each || path.startsWith(`${each}/`));
  const before = new Map(released.filter(isIn).map((entry) => [entry.path, entry]));
  const now = running.filter(isIn);
  const changes = now.flatMap((entry): EtcChange[] => {
    const shipped = before.get(entry.path);
    before.delete(entry.path);
    if (shipped === undefined) return entry.type === 'd' ? [] : [{ how: 'added', path: entry.path }];
    return isSame(entry, shipped) ? [] : [{ how: 'changed', path: entry.path }];
  });
  return [...changes, ...[...before.keys()].map((path) => ({ how: 'removed' as const, path }))];
}

function isSame(entry: EtcEntry, shipped: ReleasedEntry): boolean {
  if (kinds[entry.type] !== shipped.type) return false;
  if (shipped.type === 'link') return entry.target === shipped.target;
  if (entry.mode !== shipped.mode || entry.user !== shipped.user || entry.group !== shipped.group)
    return false;
  return shipped.type === 'directory' || entry.digest === shipped.sha256;
}

/** Returns a change in words. */
export function describeChange({ how, path }: EtcChange): string {
  return `/etc/${path} was ${how}`;
}
