import { bootedRelease } from '../booted-release.ts';
import { defineClaim, unless } from '../claim.ts';
import { describeChange, etcChanges, etcFiles } from '../etc-files.ts';
import { guestFile } from '../guest-file.ts';
import { lines, matching, type Probe } from '../guest-probe.ts';
import { bootedHash } from './root.ts';

/** passwd(5). */
interface Account {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

const accounts: Probe<readonly Account[]> = {
  name: 'accounts',
  command: `${guestFile('/etc/passwd')}
  while IFS= read -r line || [ "$line" ]; do printf '%s\\n' "$line"; done <"$file"`,
  form: lines(
    matching(
      /^([a-z_][a-z0-9_-]{0,31}):[^:]*:(\d{1,10}):(\d{1,10}):[^:]*:([^:]*):([^:]*)$/,
      ([user = '', uid, gid, home = '', shell = '']) => ({
        ...{ user, home, shell },
        uid: Number(uid),
        gid: Number(gid),
      }),
    ),
  ),
};

/** group(5): members are those that it lists. */
const groups: Probe<
  readonly { readonly group: string; readonly gid: number; readonly members: readonly string[] }[]
> = {
  name: 'groups',
  command: `${guestFile('/etc/group')}
  while IFS= read -r line || [ "$line" ]; do printf '%s\\n' "$line"; done <"$file"`,
  form: lines(
    matching(
      /^([a-z_][a-z0-9_-]{0,31}):[^:]*:(\d{1,10}):([a-z0-9_,-]{0,1000})$/,
      ([group = '', gid, members = '']) => ({
        group,
        gid: Number(gid),
        members: members.split(',').filter((name) => name !== ''),
      }),
    ),
  ),
};

/** Members of the groups of the system; any other group below the first user's may have none. */
const shippedMembers: Readonly<Record<string, readonly string[]>> = {
  adm: ['holdfast'],
  'systemd-journal': ['holdfast'],
};

/** Accounts of the release, which the management channel has as its own. */
const released: Probe<ReadonlyMap<string, string>> = {
  name: 'released-accounts',
  command: 'while IFS=: read -r user _ uid gid _; do echo "$user $uid:$gid"; done </etc/passwd',
  form: lines(
    matching(
      /^([a-z_][a-z0-9_-]{0,31}) (\d{1,10}:\d{1,10})$/,
      ([user = '', ids = '']) => [user, ids] as const,
    ),
  ).transform((pairs) => new Map(pairs)),
};

const firstUser = 1000;
const nobody = 65534;
const noLogin = /^(?:\/usr)?\/s?bin\/(?:nologin|false|sync)$/;

function accountProblems({ user, uid, gid, home, shell }: Account): string[] {
  const problems: string[] = [];
  const isRoot = user === 'root';
  if ((uid === 0 || gid === 0) !== isRoot) problems.push(`${user} has uid ${uid} and gid ${gid}`);
  if (isRoot && (home !== '/root' || shell !== '/bin/bash'))
    problems.push(`root has the home ${home} and the shell ${shell}`);
  if (
    user === 'holdfast' &&
    (uid !== firstUser || gid !== firstUser || home !== '/home/holdfast' || shell !== '/bin/bash')
  )
    problems.push(`holdfast has uid ${uid}, gid ${gid}, the home ${home} and the shell ${shell}`);
  if (uid > firstUser && uid !== nobody && gid < firstUser)
    problems.push(`${user} is in the group ${gid} of the system`);
  if (!isRoot && (uid < firstUser || uid === nobody) && !noLogin.test(shell))
    problems.push(`the system account ${user} may log in (${shell})`);
  return problems;
}

export const privilegeClaims = [
  defineClaim({
    id: 'accounts',
    sentence:
      'Only root has the rights of root; no account of the system can log in, and its groups have no other members.',
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      'Every line of /etc/passwd and /etc/group; the numbers of the accounts in the /etc/passwd of the release.',
    fooledBy:
      'Root in the guest: a running process keeps the rights that it once had, whatever the files say later.',
    notStopped:
      'Additional users with numbers from 1001 on: the evidence names them. What a user may do with sudo: see `privilege-files`.',
    guest: { accounts, groups, released },
    host: [],
    judge: ({ accounts, groups, released }) => {
      const problems = accounts.flatMap(accountProblems);
      for (const { user, uid, gid } of accounts) {
        const shipped = released.get(user);
        if (shipped !== undefined && shipped !== `${uid}:${gid}`)
          problems.push(`${user} has the numbers ${uid}:${gid} instead of ${shipped}`);
      }
      for (const key of ['user', 'uid'] as const) {
        const values = accounts.map((each) => String(each[key]));
        const twice = values.filter((value, index) => values.indexOf(value) !== index);
        problems.push(...twice.map((value) => `two accounts have the ${key} ${value}`));
      }
      for (const user of ['root', 'holdfast'])
        if (!accounts.some((each) => each.user === user)) problems.push(`there is no account ${user}`);
      for (const { group, gid, members } of groups) {
        if ((gid === 0) !== (group === 'root')) problems.push(`the group ${group} has gid ${gid}`);
        const others = members.filter((name) => !(shippedMembers[group] ?? []).includes(name));
        if (gid < firstUser && others.length > 0) problems.push(`${others.join(', ')} in the group ${group}`);
      }
      const added = accounts.filter(({ uid }) => uid > firstUser && uid !== nobody).map(({ user }) => user);
      return unless(
        problems,
        `${accounts.length} accounts; uid 0 is root alone; further users: ${added.join(', ') || 'none'}`,
      );
    },
  }),
  defineClaim({
    id: 'privilege-files',
    sentence: 'The files that grant privileges are those of the release.',
    source: 'Holdfast',
    since: '0.2',
    looksAt:
      'Type, mode, owner and SHA-256 of the files of sudo, PAM, name service, D-Bus, polkit, request_key and TCP wrappers in /etc, compared by the host with the signed list of the release.',
    fooledBy: 'Root in the guest puts the files back for the moment of the audit.',
    notStopped:
      'Further files of /etc, which `drift` lists: those that take effect at boot are named in the evidence.',
    guest: { etcFiles, bootedHash },
    host: ['releases'],
    judge: ({ etcFiles, bootedHash }, { releases }) => {
      const { etc } = bootedRelease(releases, bootedHash);
      const problems = etcChanges('privileges', etcFiles, etc).map(describeChange);
      const boot = etcChanges('boot', etcFiles, etc).map(describeChange);
      return unless(problems, `as released; at boot: ${boot.join(', ') || 'nothing was changed'}`);
    },
  }),
] as const;
